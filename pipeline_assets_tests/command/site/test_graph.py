"""Diagrams are drawn without a script."""

from pipeline_assets.command.site.graph import Graph, drawing, read_mermaid
from pipeline_assets.command.site.plots import with_plots


def test_mermaid_is_read_as_our_pages_write_it() -> None:
    text = """graph LR
      shop[(Postgres: shop)] --> a & b[two<br>lines] --> c
      subgraph music
        d
      end
    """
    graph = read_mermaid(text)
    assert dict(graph.labels) == {
        "shop": ["Postgres: shop"],
        "a": ["a"],
        "b": ["two", "lines"],
        "c": ["c"],
        "d": ["d"],
    }
    assert graph.edges == [("shop", "a"), ("shop", "b"), ("a", "c"), ("b", "c")]


def test_what_follows_stands_to_the_right() -> None:
    svg = drawing(Graph({"b": ["B"], "a": ["A"]}, [("a", "b")], links={"b": "b.html"}))
    assert svg.index(">A<") > svg.index('<a href="b.html">')
    places = {letter: svg.split(f">{letter}<")[0].rpartition('x="')[2] for letter in "AB"}
    assert int(places["A"].split('"')[0]) < int(places["B"].split('"')[0])


def test_a_label_cannot_end_the_drawing() -> None:
    assert "<script" not in drawing(Graph({"a": ["<script>"]}, []))


def test_a_table_with_a_column_to_compare_gets_bars() -> None:
    table = [
        "| contender | seconds | x best peer |",
        "| --- | --- | --- |",
        "| ours | 2.00 | 2.00 |",
        "| DuckDB | 1.00 | 1.00 |",
    ]
    drawn = with_plots("\n".join(["Text.", "", *table])).splitlines()
    assert [line for line in drawn if line.startswith("|")] == table
    (bars,) = (line for line in drawn if "<svg" in line)
    assert bars.count('<rect class="ours"') == bars.count('<rect class="other"') == 1


def test_a_table_of_other_things_stays_as_it_is() -> None:
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert with_plots(table) == table
