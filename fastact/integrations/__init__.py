"""What fastact does with arrays of other libraries: a module for each, imported when its array first comes.

Each has a ``compute(operation, inputs, out)``, which gives the result of an operation (``core/foreign.py``)
on arrays of which at least one is the library's, or NotImplemented. The core knows their names and nothing
else of them; nothing here is imported with fastact.
"""
