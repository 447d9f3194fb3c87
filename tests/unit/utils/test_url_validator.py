"""validate_server_url: one spelling for each server, none for what must not be reached."""

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.utils.errors import InvalidRequestError
from backend.utils.url_validator import is_forbidden_address, is_public_address, validate_server_url

METADATA = IPv4Address("169.254.169.254")


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("http://127.0.0.1:8188", "http://127.0.0.1:8188"),
        ("HTTP://LocalHost:8188/", "http://localhost:8188"),
        ("https://gpu.example.com:443/comfy/", "https://gpu.example.com/comfy"),
        ("http://gpu.example.com:80", "http://gpu.example.com"),
        ("http://gpu.example.com.:8188", "http://gpu.example.com:8188"),
        ("http://192.168.1.20:8188//", "http://192.168.1.20:8188"),
        ("http://10.0.0.1", "http://10.0.0.1"),
        ("http://100.64.0.7:8188", "http://100.64.0.7:8188"),
        ("http://[::1]:8188", "http://[::1]:8188"),
        ("http://[FD12:0::0001]:8188", "http://[fd12::1]:8188"),
        ("http://2130706433:8188", "http://127.0.0.1:8188"),
        ("http://0x7f.1:8188", "http://127.0.0.1:8188"),
        ("http://comfy_gpu-1:8188", "http://comfy_gpu-1:8188"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        ("http://host:", "http://host"),
    ],
)
def test_gives_the_normal_form(given_url: str, expected: str) -> None:
    assert validate_server_url(given_url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8188",
        "localhost",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://user:secret@host",
        "http://@host",
        "http://host?x=1",
        "http://host?",
        "http://host#top",
        "http://host:0",
        "http://host:65536",
        "http://host:abc",
        "http://ho st",
        "http://host\n.example",
        "http://host/\tx",
        "http://host/a/../b",
        "http://host/%2e%2e/b",
        "http://host\\@evil",
        "http://[::1",
        "http://[fe80::1%25eth0]",
        "http://-host",
        "http://a..b",
        "http://1.2.3.4.5",
        "http://256.1.1.1",
        "http://09.1.1.1",
        "http://host.0x",
        "http://" + "a" * 64,
        "http://" + "x" * 3000,
        "http://\ud800.example",
    ],
)
def test_refuses_what_is_no_server_url(url: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        validate_server_url(url)
    assert refusal.value.code == "INVALID_SERVER_URL"
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.0xfea9fe",
        "\uff11\uff16\uff19.254.169.254",
        "169\u3002254\u3002169\u3002254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[::ffff:0:a9fe:a9fe]",
        "[2001:0:5ef5:79fd::5601:5601]",
        "[fd12::5efe:a9fe:a9fe]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::]",
        "[ff02::1]",
        "0",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "metadata.google.internal",
        "METADATA.google.internal.",
    ],
)
def test_refuses_metadata_and_unusable_addresses_in_any_notation(host: str) -> None:
    with pytest.raises(InvalidRequestError):
        validate_server_url(f"http://{host}/latest")


@pytest.mark.parametrize("text", ["127.0.0.1", "10.1.2.3", "8.8.8.8", "::1", "::ffff:10.0.0.1"])
def test_lets_private_loopback_and_public_addresses_pass(text: str) -> None:
    assert not is_forbidden_address(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1",
        "127.0.0.1",
        "::1",
        "fd12::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:0:7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2002:a00:1::",
        "2001:0:5ef5:79fd::f5ff:fffe",
        "2606:4700::5efe:10.0.0.1",
    ],
)
def test_a_private_address_is_private_in_whatever_carries_it(text: str) -> None:
    assert not is_public_address(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1"])
def test_addresses_of_the_open_internet_are_public(text: str) -> None:
    assert is_public_address(ip_address(text))


@given(st.ip_addresses())
def test_an_address_in_a_url_is_judged_as_the_address_itself(address: object) -> None:
    literal = f"[{address}]" if ":" in str(address) else str(address)
    if is_forbidden_address(ip_address(str(address))):
        with pytest.raises(InvalidRequestError):
            validate_server_url(f"http://{literal}:8188")
    else:
        assert ip_address(
            validate_server_url(f"http://{literal}:8188")[7:-5].strip("[]")
        ) == ip_address(str(address))


@given(st.ip_addresses(v=4), st.sampled_from(["{:d}", "0x{:x}", "0{:o}"]))
def test_whole_number_notations_mean_the_same_address(address: IPv4Address, form: str) -> None:
    url = f"http://{form.format(int(address))}:8188"
    if is_forbidden_address(address):
        with pytest.raises(InvalidRequestError):
            validate_server_url(url)
    else:
        assert validate_server_url(url) == f"http://{address}:8188"


@given(st.text(max_size=60).map("http://".__add__))
def test_the_normal_form_is_stable_and_nothing_else_is_raised(url: str) -> None:
    try:
        normal = validate_server_url(url)
    except InvalidRequestError:
        return
    assert validate_server_url(normal) == normal


def test_mapped_metadata_is_forbidden() -> None:
    assert is_forbidden_address(ip_address(f"::ffff:{METADATA}"))
