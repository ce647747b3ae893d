"""What the site is made of beside pages that are written by hand; `extension` is where Sphinx comes in."""
