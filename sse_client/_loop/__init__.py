"""The loop of an `EventSource`.

`loop` follows the stream. `control` is what the loop is asked for, and how it is woken from a
wait. `progress` is how far the program has got with what was handed over.
"""
