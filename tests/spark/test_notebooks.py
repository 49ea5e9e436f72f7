"""The quickstart notebook shows what it is kept with."""

import re

from tests.support.notebooks import execute, read, shown


def test_the_quickstart_shows_what_it_did_when_it_was_written():
    assert shown(execute()) == shown(read()), "make notebook writes it anew"


def test_the_quickstart_is_kept_with_what_a_reader_wants_to_see():
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    seen = "".join(shown(read()))
    assert re.search(r"<mark [^>]*>Emma&nbsp;<small><b>PER</b></small></mark>", seen)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type in ("execute_result", "display_data")


def test_the_quickstart_names_no_place_of_the_machine_it_ran_on():
    text = str(read())
    assert not re.search(r"/(home|root|tmp|Users|usr|opt|var)/", text)
    assert "Warning" not in text
