import json

from spark_entities.jobs.benchmark import output


def test_a_package_that_is_not_installed_has_no_version(monkeypatch, tmp_path):
    monkeypatch.setattr(output, "_PACKAGES", ("numpy", "no-such-package"))
    output.save_json(tmp_path / "figures" / "x.json", {"seconds": 1.5})
    content = json.loads((tmp_path / "figures" / "x.json").read_text("utf-8"))
    assert content["seconds"] == 1.5
    assert content["machine"]["numpy"]
    assert content["machine"]["no-such-package"] is None
