"""What a terminal is given: texts, and no commands."""

from spark_entities.jobs.report.terminal import Shown, print_texts


def test_a_text_gives_the_terminal_no_commands(capsys):
    text = "\x1b]0;title\x07\x1b[2JEm\x9bma woont\tin\r\nLonden"
    start = text.index("Em")
    entity = {"entity_group": "PER", "word": "Em\x9bma", "start": start, "end": start + 5}
    print_texts([[Shown(text=text, entities=[entity], error=None)]], ["text"])
    printed = capsys.readouterr().out
    assert "\ufffd]0;title\ufffd\ufffd[2JEm\ufffdma woont" in printed
    assert "Em\ufffdma PER" in printed
    assert printed.count("\ufffd") == 5  # ends of lines have none
    assert not {*printed} & {*"\x1b\x07\x9b\r"}
