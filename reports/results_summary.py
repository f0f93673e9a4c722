"""Results as a notebook shows them by itself: how many videos, which actions, for how long."""

from typing import TYPE_CHECKING

from jinja2 import Environment

from pipeline.clock import clock

if TYPE_CHECKING:
    from reports.results import Results

MOST_LABELS = 12

_VIDEOS = """
    select status, count(*) as videos, coalesce(sum(duration_s), 0) as length_s from videos group by all order by all
"""
_LABELS = """
    select label, count(*) as times, sum(stop_s - start_s) as length_s, max(score) as best from segments
    group by all order by length_s desc, label
"""
_PEOPLE = "select count(distinct (video, track_id)) as people, count(label) as tubes from tubes"

_PAGE = """
<div>
  <p><b>{{ folder }}</b>:
    {%- for row in videos %} {{ "{:,}".format(row.videos) }} {{ row.status }} ({{ clock(row.length_s) }})
    {%- if not loop.last %},{% endif %}{% else %} no video is finished{% endfor %}
    {%- if people.people %}; {{ "{:,}".format(people.people) }} people, {{ "{:,}".format(people.tubes) }} tubes
    {%- endif %}</p>
  {%- if labels %}
  <table>
    <thead><tr><th>action</th><th>times</th><th>in all</th><th>best score</th><th></th></tr></thead>
    <tbody>
    {%- for row in labels[:most] %}
      <tr><td style="text-align: left">{{ row.label }}</td><td>{{ "{:,}".format(row.times) }}</td>
        <td>{{ clock(row.length_s) }}</td><td>{{ "%.2f" | format(row.best) }}</td>
        <td style="text-align: left; min-width: 10em"><div style="height: 0.7em; background: #2f7fb5;
          width: {{ "%.1f" | format(100 * row.length_s / longest_s) }}%"></div></td></tr>
    {%- endfor %}
    </tbody>
  </table>
  {%- if labels | length > most %}<p>and {{ "{:,}".format(labels | length - most) }} more actions</p>{% endif %}
  {%- endif %}
</div>
"""


def summary_html(results: "Results") -> str:
    labels = results.query(_LABELS).to_pylist()
    page = Environment(autoescape=True).from_string(_PAGE)
    return page.render(
        folder=str(results.folder),
        videos=results.query(_VIDEOS).to_pylist(),
        people=results.query(_PEOPLE).to_pylist()[0],
        labels=labels,
        longest_s=max((row["length_s"] for row in labels), default=0.0) or 1.0,
        most=MOST_LABELS,
        clock=clock,
    )
