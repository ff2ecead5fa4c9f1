"""HTML for people: templates, words in their language, and what a page may load."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache, partial
from importlib.resources import files
from urllib.parse import urlencode

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.api.front import visit_of
from gateway.problems.document import texts
from gateway.problems.errors import GatewayError
from gateway.problems.languages import LANGUAGES, Language

# Nothing from elsewhere, no script at all; forms go to this site alone, and no other site may frame the page.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    policy: str = POLICY,
    headers: Iterable[tuple[bytes, bytes]] = (),
    **values: object,
) -> Response:
    """The template filled, in the language of ``?lang=`` or of the browser."""
    language = language_of(request)
    body = (
        _environment()
        .get_template(template)
        .render(
            language=language,
            asked="lang" in request.query_params,
            languages={code: _in_language(request, code) for code in LANGUAGES},
            root=visit_of(request).root,
            link=partial(_link, request, language),
            words=_words()[language],
            **values,
        )
    )
    fields = {
        "content-security-policy": policy,
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "content-language": language,
        "vary": "Accept-Language",
        "cache-control": "no-store",
    }
    answer = Response(body, status_code=status, media_type="text/html; charset=utf-8", headers=fields)
    answer.raw_headers.extend(headers)
    return answer


def problem_of(error: GatewayError, language: Language) -> dict[str, str]:
    """What is wrong and what to do, in words."""
    text = texts()[error.code]
    detail = text.detail[language].format_map(error.params)
    return {"title": text.title[language], "detail": detail, "mend": text.mend[language]}


def language_of(request: Request) -> Language:
    """``?lang=`` if it names a language of ours, else what the browser asks for."""
    asked = request.query_params.get("lang")
    return next((one for one in LANGUAGES if one == asked), visit_of(request).language)


def _link(request: Request, language: Language, path: str, **query: str) -> str:
    """An address of this site, which goes on in the language that the address of this page asks for."""
    wanted = query | ({"lang": language} if "lang" in request.query_params else {})
    return f"{visit_of(request).root}{path}{'?' if wanted else ''}{urlencode(wanted)}"


def _in_language(request: Request, language: Language) -> str:
    """The same page, with all that its address asks for."""
    return f"{request.url.path}?{urlencode(dict(request.query_params) | {'lang': language})}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["code"] = _code
    return environment


def _code(text: str) -> Markup:
    """The text with what stands in backticks as code; texts for people are written once, also for plain answers."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 -- escaped just before


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("gateway.pages").joinpath("words.toml").read_text("utf-8"))
