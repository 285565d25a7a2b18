"""Behind `RedisRelay`: what one lead of a stream is made of.

::

    RedisRelay      who leads: takes turns at the lease, and comes back after errors
    └── lead        one lead: a thread reads the source, the relay's thread appends
        ├── handover    the bounded list between the two
        └── store       the keys in Redis and the scripts; the only place that knows redis-py
"""
