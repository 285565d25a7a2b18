"""One attempt over HTTP: the rooms behind the front door. Only these and `requests_bridge` know urllib3."""
