"""What fastact does with other libraries: a module for each that has arrays of its own or takes an adapter.

One that has arrays has a ``compute(operation, inputs, out)``, which gives the result of an operation
(``core/foreign.py``) on arrays of which at least one is the library's, or NotImplemented; it is imported when
such an array first comes. An adapter has ``enable()`` and ``disable()`` and is imported by its user. The core
knows the names of the former and nothing else; nothing here is imported with fastact.
"""
