"""A run takes the place of earlier ones of the same parts, and of no other."""

from bench.findings import Finding, Table
from bench.publish import BEGIN, END, Run, page

MACHINE = {
    "at": "2026-11-29", "cores": 2, "processor": "any", "memory_gib": 24, "system": "Linux", "python": "3.13",
    "generator": "wrk", "commit": "abc", "load_before": 0.0,
}  # fmt: skip


def run(part: str, figure: str) -> Run:
    finding = Finding(part, [Table(f"about {part}", ("", "ms"), [("all", figure)])], notes=["so it is"])
    finding.judge(f"{part}: fast", figure, met=True)
    return MACHINE, finding


def test_parts_are_in_their_order_and_the_newest_counts() -> None:
    empty = f"before\n{BEGIN}\n{END}\nafter\n"
    first = page(empty, {"read": run("read", "one"), "post": run("post", "two")})
    assert first.startswith("before\n")
    assert first.endswith("\nafter\n")
    assert first.index("about post") < first.index("about read")
    second = page(first, {"read": run("read", "three"), "get": run("get", "four")})
    assert [second.count(figure) for figure in ("one", "two", "three", "four")] == [0, 2, 2, 2]
    assert second.index("about post") < second.index("about get") < second.index("about read")
    assert page(second, {}) == second


def test_a_part_that_judges_nothing_has_no_table_of_budgets() -> None:
    finding = Finding("startup", [Table("about startup", ("", "s"), [("all", "one")])])
    assert "Budgets" not in page(f"{BEGIN}\n{END}", {"startup": (MACHINE, finding)})
