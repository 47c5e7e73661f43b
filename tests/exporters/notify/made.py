"""Alerts as chance makes them: huge, empty, with emoji, controls, markup and halves of characters."""

from hypothesis import strategies as st

from exporters.base import Alert, Severity

HOSTILE = [
    "<!channel>",
    "@here",
    "&amp;",
    "[x](https://evil.example)",
    "**b**",
    "\ud800",
    "\U0001f525",
    "\n",
    "\x1b[31m",
    '"',
]
texts = st.one_of(
    st.just(""),
    st.text(st.characters(), max_size=30),
    st.lists(st.sampled_from(HOSTILE), max_size=6).map("".join),
    st.builds(
        lambda text, times: text * times,
        st.sampled_from([*HOSTILE, "x", "&", "\\", "word "]),
        st.sampled_from([100, 1000, 100_000]),
    ),
)
links = st.builds(
    lambda letter, times: "https://r.example/" + letter * times, st.sampled_from("a&\U0001f525"), st.integers(0, 790)
)
maps = st.dictionaries(texts, texts, max_size=30)
alerts = st.builds(
    lambda name, severity, lasted, labels, own, annotations: Alert(
        name,
        severity,
        1_767_225_630.0,
        "ab" * 32,
        None if lasted is None else 1_767_225_630.0 + lasted,
        labels | own,
        annotations,
    ),
    texts,
    st.sampled_from(Severity),
    st.none() | st.floats(-10, 10**7),
    maps,
    st.fixed_dictionaries({}, optional={"service": texts, "slo": texts}),
    st.builds(
        lambda more, own: more | own,
        maps,
        st.fixed_dictionaries({}, optional={"summary": texts, "description": texts, "runbook_url": texts | links}),
    ),
)
