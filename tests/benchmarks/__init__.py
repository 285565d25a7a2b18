"""How fast the package is, next to its peers and to what cannot be beaten.

``python -m tests.benchmarks`` runs all of it; each module runs alone too. The peers come
with the extra ``[bench]``; one that is missing, or gives wrong events on a workload, is
named and does not count there. Nothing here asserts a time: machines differ, ratios travel.
"""
