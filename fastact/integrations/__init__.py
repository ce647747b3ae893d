"""fastact inside other libraries, a module for each, which its users import."""
