"""Which certificate authorities are trusted where the user has not said, and what to do where there are none.

urllib3 loads OpenSSL's default authorities: files at places compiled in, which
``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace. python.org's macOS build, slim containers and
frozen programs often have none there. truststore, if it is installed, asks the operating
system, as browsers do.
"""

from __future__ import annotations

import os
import ssl
from importlib.util import find_spec
from typing import Optional

_NO_ISSUER = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes for a chain that ends in no authority that is trusted (``X509_V_ERR_...``)."""


def system_context() -> Optional[ssl.SSLContext]:
    """Return a context that trusts what the operating system trusts; None without truststore, or where the user chose.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are such a choice, and truststore would pass over them.
    """
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or find_spec("truststore") is None:
        return None
    import truststore  # noqa: PLC0415 - an optional extra

    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return context


def lacks_issuer(error: BaseException) -> bool:
    """Whether a certificate was refused because no authority that is trusted has issued it."""
    return getattr(error, "verify_code", None) in _NO_ISSUER


def where_from(context: Optional[ssl.SSLContext]) -> str:
    """Return where the authorities of a context come from, and what to do if that is wrong; for an error.

    Args:
        context: The context, or None for OpenSSL's default authorities.
    """
    if context is not None:
        loaded = context.cert_store_stats()["x509_ca"] if type(context) is ssl.SSLContext else None
        if loaded == 0:
            return "no authorities are loaded in its ssl_context: see load_verify_locations() and load_default_certs()"
        return "the authorities are those of its ssl_context"
    paths = ssl.get_default_verify_paths()
    places = [place for place in (paths.cafile, paths.capath) if place]
    if not ssl.create_default_context().cert_store_stats()["x509_ca"] and not _holds_files(paths.capath):
        looked_for = f"{paths.openssl_cafile} and {paths.openssl_capath}"
        return (
            f"this Python finds no certificate authorities at all (it looks for {looked_for}): "
            "set SSL_CERT_FILE, pass ssl_context=, or pip install truststore to use the operating system's"
        )
    return (
        f"the authorities come from {' and '.join(places) or 'the operating system'}; for others "
        "set SSL_CERT_FILE, pass ssl_context=, or pip install truststore to use the operating system's"
    )


def _holds_files(folder: Optional[str]) -> bool:
    try:
        return folder is not None and bool(os.listdir(folder))
    except OSError:
        return False
