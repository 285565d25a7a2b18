"""The event stream format, checked against the text of the standard and not against the implementation."""
