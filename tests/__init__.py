"""The tests. How they are laid out: ``unit``, ``conformance`` and ``integration`` have no need of each other."""
