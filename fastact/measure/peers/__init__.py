"""fastact beside other libraries, each in a process of its own, timed in turns."""
