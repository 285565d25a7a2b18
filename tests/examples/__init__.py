"""Small complete programs, as users write them, and the tests that run them."""
