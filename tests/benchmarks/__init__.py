"""How fast the package is, next to its peers and to what cannot be beaten.

``python -m tests.benchmarks`` runs all of it; each module runs alone too. The peers come
with the extra ``[bench]``; one that is missing, or gives wrong events on a workload, is
named and does not count there. Nothing here asserts a time: machines differ, ratios travel.

``python -m tests.benchmarks live`` runs one part. ``python -m tests.benchmarks.compare`` measures what each client
does, and not how fast: whether it reconnects, resumes, closes.
"""
