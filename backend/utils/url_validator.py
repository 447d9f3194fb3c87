"""Which addresses StoryCanvas may talk to, and the one spelling of a server's URL.

ComfyUI servers stand on the user's own machine or network, so loopback and private addresses are
fine. Cloud metadata services answer on fixed addresses and hand out credentials: those, and what
can't be a server at all, are refused in every notation that a socket library would understand.
"""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from backend.utils.errors import InvalidRequestError

IPAddress = IPv4Address | IPv6Address

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]*)*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")

#: Names that clouds resolve to their metadata service.
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog"})
#: "This network", link-local (AWS, Azure, Google, most others: 169.254.169.254), reserved, and
#: the metadata addresses outside those: Alibaba, Oracle, Azure's wire server, AWS over IPv6.
_FORBIDDEN = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "168.63.129.16/32",
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
    )
)
#: Prefixes of IPv6 that carry an IPv4 address which a router or the kernel would reach, and the
#: bit at which it begins, counted from the right. RFC 4291 (compatible, mapped), 2765, 6052
#: (NAT64), 3056 (6to4), 8215 (a network's own NAT64, here as /96).
_CARRIERS = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("64:ff9b:1::/48"), 0),
    (IPv6Network("2002::/16"), 80),
)
#: Translates for one network alone, so what it carries is never the open internet.
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
#: Teredo (RFC 4380) carries its client with all bits turned over.
_TEREDO = IPv6Network("2001::/32")
#: ISATAP (RFC 5214): an interface id of 0:5efe or 200:5efe and the IPv4 address, in any prefix.
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
_LOW_32 = 0xFFFFFFFF


def is_forbidden_address(address: IPAddress) -> bool:
    """Tell whether no server of ours can live there: metadata, link-local, multicast and such."""
    places = (address, carried_address(address) or address)
    return any(
        place in block for place in places for block in _FORBIDDEN if block.version == place.version
    )


def is_public_address(address: IPAddress) -> bool:
    """Tell whether it lies on the open internet, judged by the IPv4 address that it may carry."""
    carried = carried_address(address)
    if carried is None:
        return address.is_global
    return carried.is_global and address not in _LOCAL_NAT64


def carried_address(address: IPAddress) -> IPv4Address | None:
    """Give the IPv4 address inside an IPv6 one that only carries it; `::` and `::1` carry none."""
    if isinstance(address, IPv4Address) or int(address) <= 1:
        return None
    number = int(address)
    for prefix, bit in _CARRIERS:
        if address in prefix:
            return IPv4Address((number >> bit) & _LOW_32)
    if address in _TEREDO:
        return IPv4Address(~number & _LOW_32)
    if (number >> 32) & _LOW_32 in _ISATAP:
        return IPv4Address(number & _LOW_32)
    return None


def validate_server_url(url: str) -> str:
    """Give the normal form of a server's base URL, or raise InvalidRequestError saying why not.

    Equal servers get equal text: scheme and host in lower case, no default port, numeric hosts
    in dotted form, no trailing slash. A path stays, for servers behind a reverse proxy.
    """
    parts = _split(url)
    host = _host(parts.hostname or "")
    port = _port(parts)
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path) or any(part in {".", ".."} for part in path.split("/")):
        raise _refused("its path has characters or dot segments that do not belong there")
    return f"{parts.scheme}://{host}{port}{path}"


def _split(url: str) -> SplitResult:
    if len(url) > 2048 or not url.isprintable() or any(char.isspace() for char in url):
        raise _refused("it is too long or has spaces or control characters")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _refused("it can't be read as a URL") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise _refused("it must start with http:// or https://")
    if "@" in parts.netloc:
        raise _refused("credentials do not belong in it; use the server's api_key")
    if "?" in url or "#" in url:
        raise _refused("it must not have a query or a fragment")
    return parts


def _host(host: str) -> str:
    """Give the host in normal form. `host` is lower-cased and without brackets already."""
    address = _literal_address(host)
    if address is None:
        return _host_name(host)
    if is_forbidden_address(address):
        raise _refused(f"{address} is a link-local, metadata or otherwise unusable address")
    return f"[{address}]" if address.version == 6 else str(address)


def _literal_address(host: str) -> IPAddress | None:
    """Read what stands for an address in any notation, or None when it is a name."""
    if ":" in host:
        try:
            return IPv6Address(host if "%" not in host else "")
        except ValueError as error:
            raise _refused(f"'{host}' is not an IPv6 address without a zone") from error
    name = _ascii(host)
    last = name.rstrip(".").rpartition(".")[2]
    return _numeric_address(name.rstrip(".")) if _NUMBER.fullmatch(last) else None


def _numeric_address(host: str) -> IPv4Address:
    """Read 1 to 4 decimal, octal (0…) or hexadecimal (0x…) parts, as inet_aton does."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise _refused(f"'{host}' is not an IPv4 address")
    try:
        *leading, last = (_number(part) for part in parts)
    except ValueError as error:
        raise _refused(f"'{host}' is not an IPv4 address") from error
    if any(value > 255 for value in leading) or last >= 256 ** (4 - len(leading)):
        raise _refused(f"'{host}' is not an IPv4 address")
    return IPv4Address(sum(v << (24 - 8 * i) for i, v in enumerate(leading)) + last)


def _number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8) if len(text) > 1 and text.startswith("0") else int(text)


def _host_name(host: str) -> str:
    name = _ascii(host).rstrip(".")
    if not _HOST_NAME.fullmatch(name) or len(name) > 253:
        raise _refused("it has no usable host name")
    if name in _METADATA_NAMES:
        raise _refused(f"'{name}' is a cloud metadata service")
    return name


def _ascii(host: str) -> str:
    """Fold wide digits, ideographic full stops and national letters as a resolver would."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _refused("its host name can't be written in ASCII") from error


def _port(parts: SplitResult) -> str:
    try:
        port = parts.port
    except ValueError as error:
        raise _refused("its port must be a number from 1 to 65535") from error
    if port == 0:
        raise _refused("its port must be a number from 1 to 65535")
    return "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"


def parse_address(text: str) -> IPAddress:
    """Read a socket's own spelling of an address, with or without an IPv6 zone."""
    return ip_address(text.partition("%")[0])


def _refused(why: str) -> InvalidRequestError:
    return InvalidRequestError(f"This server URL can't be used: {why}.", code="INVALID_SERVER_URL")
