"""ROOT_PATH: what it may be, and how it is taken off."""

import pytest

from gateway.proxies import root_path


@pytest.mark.parametrize(
    ("given", "taken"), [("", ""), ("/", ""), ("/headgate", "/headgate"), ("/a/b-1/", "/a/b-1"), ("/v1.0", "/v1.0")]
)
def test_it_is_a_path_without_its_last_slash(given: str, taken: str) -> None:
    assert root_path.checked_root(given) == taken


@pytest.mark.parametrize(
    "given", ["headgate", "/a b", "/a//b", "/..", "/a/./b", "/%2F", "/a?b", "/applications", "/problems/x", "/я", '/"']
)
def test_what_cannot_be_told_from_others_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="must"):
        root_path.checked_root(given)


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/headgate", "/"),
        ("/headgate/", "/"),
        ("/headgate/applications", "/applications"),
        ("/headgate/headgate", "/headgate"),
        ("/headgates", "/headgates"),
        ("/applications", "/applications"),
    ],
)
def test_it_is_taken_off_once(path: str, taken: str) -> None:
    assert root_path.taken_off("/headgate", {"path": path})["path"] == taken
