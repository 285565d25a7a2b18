"""Against software that others have written: servers, reverse proxies and forward proxies, where they are installed."""
