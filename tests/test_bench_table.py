"""Claims about the table of a measured run: medians, ratios round by round, and a spread only where there is one."""

import pytest

from pipeline.bench import Round
from reports.bench_table import bench_table


def rows(rounds: list[Round]) -> dict[str, list[str]]:
    table = bench_table(rounds)
    names, *columns = ([str(cell) for cell in column.cells] for column in table.columns)
    return {name: list(cells) for name, *cells in zip(names, *columns, strict=True)}


def test_one_round_has_no_spread_and_samples_only_for_its_parts() -> None:
    found = rows([Round(decode_x=30.0, backbone_x=15.0, local_x=9.0, ray_x=12.0, samples_per_s=25.0)])
    assert found["decode alone"] == ["30.00", "750.0"] and found["backbone alone"] == ["15.00", "375.0"]
    assert found["bound"] == ["10.00", ""]
    assert found["ray / bound"] == ["1.20", ""] and found["ray / local"] == ["1.33", ""]


@pytest.mark.parametrize("ray", [(6.0, 12.0, 9.0), (9.0, 6.0, 12.0)])
def test_several_rounds_show_median_and_ends(ray: tuple[float, ...]) -> None:
    found = rows([Round(30.0, 15.0, one, one, 25.0) for one in ray])
    assert found["engine ray"] == ["9.00", "6.00", "12.00", ""]
    assert found["ray / local"] == ["1.00", "1.00", "1.00", ""]
