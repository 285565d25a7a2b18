"""Verdicts about the way to the server: proxy, name, addresses, TLS. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime

from .network import Address, Look, Tls, Way
from .verdict import CLIENT, PROXY, SERVER, Advice, Verdict, ok, problem, warning

_SOON = 14  # days
_OLD_TLS = {"SSLv3", "TLSv1", "TLSv1.1"}


def judge_way(way: Way) -> Verdict:
    """Say which proxy is used and why."""
    return ok("proxy", f"none: {way.why}" if way.proxy is None else f"{way.proxy}, {way.why}")


def judge_name(way: Way, look: Look) -> Iterator[Verdict]:
    """Say what the name is, and whether each of its addresses answers."""
    if look.error is not None:
        text = f"{way.host} cannot be resolved: {look.error}"
        yield problem("name", text, Advice(CLIENT, "check the host in the URL, and this machine's DNS and VPN"))
        return
    if not _is_address(way.host):
        yield ok("name", f"{way.host} is {_listed(look.addresses)} (looked up in {_ms(look.seconds)})")
    yield _judge_addresses(way, look.addresses)


def _judge_addresses(way: Way, addresses: tuple[Address, ...]) -> Verdict:
    alive = [address for address in addresses if address.error is None]
    dead = [address for address in addresses if address.error is not None and not address.is_ours]
    who = "server" if way.proxy is None else "proxy"
    if not alive:
        first = (dead or list(addresses))[0]
        text = f"no connection to {first.address} port {way.port}: {first.error}"
        where = SERVER if who == "server" else PROXY
        return problem(
            "connection",
            text,
            Advice(where, f"see that it runs, listens on port {way.port}, and no firewall is between"),
        )
    text = ", ".join(f"{address.family} in {_ms(address.seconds)}" for address in alive)
    ours = {address.family for address in addresses if address.is_ours} - {address.family for address in alive}
    if ours:
        text += f" (this machine has no {' and no '.join(sorted(ours))})"
    # On the loopback a refusal takes no time: "localhost" has two addresses, and many servers listen on one.
    worth_a_word = [address for address in dead if not ipaddress.ip_address(_bare(address.address)).is_loopback]
    if worth_a_word:
        listed = ", ".join(f"{address.address} ({address.error})" for address in worth_a_word)
        return warning(
            "connection",
            f"{text}; but not to {listed}: clients that try it first lose time",
            Advice(SERVER, "let it answer on every address of its name, or take the address out of the DNS"),
        )
    return ok("connection", text)


def judge_tls(tls: Tls, *, is_checked: bool, authorities: str, now: datetime) -> Verdict:
    """Say whether the server is who it should be, for how long, and who vouches for it."""
    if tls.error is not None:
        return _why_untrusted(tls, now)
    if not is_checked:
        return _unchecked(tls.version)
    text = f"{tls.version}, issued by {tls.issuer or 'nobody known'}, checked against {authorities}"
    if tls.version in _OLD_TLS:
        return warning("TLS", f"{text}; {tls.version} is broken", Advice(SERVER, "allow TLS 1.2 and 1.3"))
    if tls.expires is None:
        return ok("TLS", text)
    days = (tls.expires - now).days
    if days < _SOON:
        return warning("TLS", f"{text}; it runs out in {days} days", Advice(SERVER, "renew the certificate"))
    return ok("TLS", f"{text}, valid for {days} days")


def judge_tunnel(*, is_checked: bool, authorities: str) -> Verdict:
    """Say who vouches for a server that is reached through a proxy."""
    where = "inside the proxy's tunnel"
    return ok("TLS", f"{where}, checked against {authorities}") if is_checked else _unchecked(where)


def _unchecked(what: str) -> Verdict:
    return warning("TLS", f"{what}, with a certificate that is not checked (-k)", Advice(CLIENT, "leave -k out"))


def _why_untrusted(tls: Tls, now: datetime) -> Verdict:
    error = tls.error or ""
    if "expired" in error:
        when = "" if tls.expires is None else f" on {tls.expires:%Y-%m-%d}, {(now - tls.expires).days} days ago"
        return problem("TLS", f"the certificate ran out{when}", Advice(SERVER, "renew the certificate"))
    if "issuer" in error or "self" in error:
        return problem(
            "TLS",
            f"the certificate is not valid: {error}",
            Advice(SERVER, "send the whole chain of certificates, intermediate ones included"),
            Advice(CLIENT, "if the authority is your own: --cacert FILE, or SSL_CERT_FILE=FILE in the environment"),
        )
    if "ostname" in error or "IP address" in error:
        return problem(
            "TLS", error, Advice(SERVER, "get a certificate for this name"), Advice(CLIENT, "check the host")
        )
    return problem("TLS", f"the handshake failed: {error}", Advice(CLIENT, "check that this port speaks TLS"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(_bare(host))
    except ValueError:
        return False
    return True


def _bare(address: str) -> str:
    return address.partition("%")[0]


def _listed(addresses: tuple[Address, ...]) -> str:
    return ", ".join(address.address for address in addresses)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
