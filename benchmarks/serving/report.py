"""``RESULTS.md`` and its plots, from the recorded results.

python -m benchmarks report
python -m benchmarks report --results /tmp/results --out /tmp/report
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.facts import RESULTS

Result = dict[str, Any]
FILE = "RESULTS.md"


def table(head: list[str], rows: list[list[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *[[_cell(value) for value in row] for row in rows]]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, dict):  # a spread
        return " / ".join(_ms(value[key]) for key in ("p50_ms", "p95_ms", "p99_ms"))
    return "–" if value is None else str(value)


def _ms(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f}"


def _conditions(result: Result) -> str:
    where = result.get("environment", result)
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    talk = f", talk ratio asked for {result['talk']}" if "talk" in result else ""
    seed = f", seed {result['seed']}" if "seed" in result else ""
    server = f" ({result['server_cores']} for the server)" if "server_cores" in result else ""
    return (
        f"{where['date']}, commit {where['commit']}, {where['cpu']}, {where['cores']} cores{server}"
        f"{seed}{talk}; {versions}.\n"
    )


def latency(result: Result) -> str:
    """Return the section of ``latency``."""
    rows: list[list[object]] = [
        [r["streams"], r["final_latency"], r["first_partial"], r["partial_age"], r["cpu_s_per_stream_s"],
         r["main_process_cpu_s_per_stream_s"], r["resident_mib"], f"{r['cer']:.1%}",
         f"{r['stolen_share']:.0%}"]
        for r in result["runs"]
    ]  # fmt: skip
    head = ["streams", "final, ms: p50 / p95 / p99", "first partial, ms", "partial age, ms",
            "CPU-s per stream-s", "of it in the main process", "MiB", "CER",
            "stolen by the host"]  # fmt: skip
    return table(head, rows)


def capacity(result: Result) -> str:
    """Return the section of ``capacity``."""
    limits = result["limits_ms"]
    told = (
        f"**{result['streams_per_core']} streams per core** with p95 of finals within "
        f"{limits['final_p95']:.0f} ms and of partial age within {limits['partial_age_p95']:.0f} ms.\n\n"
        "![capacity](results/capacity.png)\n\n"
    )
    rows: list[list[object]] = [
        [r["streams"], r["final_latency"], r["partial_age"], r["cores_used"], f"{r['stolen_share']:.0%}"]
        for r in sorted(result["runs"], key=lambda r: int(r["streams"]))
    ]
    head = ["streams", "final, ms: p50 / p95 / p99", "partial age, ms", "cores used", "stolen by the host"]
    return told + table(head, rows)


def stages(result: Result) -> str:
    """Return the section of ``stages``."""
    rows: list[list[object]] = [[name, value, ""] for name, value in result["ms_per_stream_second"].items()]
    rows += [[name, "", value] for name, value in result["ms_per_speech_second"].items()]
    told = (
        f"\nFloor, every necessary stage once: **{result['floor_ms_per_stream_second']:.1f} ms** a "
        f"stream-second at talk ratio {result['served']['talk']}. The server with "
        f"{result['served']['streams']} streams: "
        f"**{result['server_ms_per_stream_second']:.1f} ms, {result['times_the_floor']} times the floor**.\n"
    )
    return table(["stage", "ms a stream-second", "ms a second of speech"], rows) + told


def accuracy(result: Result) -> str:
    """Return the section of ``accuracy``."""
    rows: list[list[object]] = []
    for source in ("service", "figures", "hkcancor", "corpus"):
        rows += [
            [source, kind, *(f"{r[key]:.1%}" for key in ("cer_raw", "mer_raw", "cer_read"))]
            for kind, r in result.get(source, {}).items()
        ]
    for role, r in result["bundled call by role"].items():
        rows.append(["bundled call", role, *(f"{r[key]:.1%}" for key in ("cer_raw", "mer_raw", "cer_read"))])
    text = table(["set", "line or role", "CER raw", "MER raw", "CER read"], rows)
    partials: list[list[object]] = [
        [source, kind, f"{r['cer_of_the_last_partial']:.1%}", r["changed_characters_per_character"],
         r["ms_per_speech_second"]]
        for source, kinds in result["partials"].items()
        for kind, r in kinds.items()
    ]  # fmt: skip
    head = ["set", "partials read by", "CER of the last partial", "characters changed per character",
            "ms a second of speech"]  # fmt: skip
    times = _word_times(result["word_times"]) if "word_times" in result else ""
    beams = _beams(result["beams"]) if "beams" in result else ""
    return "\n".join((text, beams, table(head, partials), times))


def _beams(found: Result) -> str:
    rows: list[list[object]] = [
        [f"{width}{', greedy' if width == '1' else ''}", f"{r['cer_raw']:.2%}", r["ms_per_speech_second"]]
        for width, r in found.items()
    ]
    return table(
        ["width of the beam, over a telephone line", "CER raw", "final, ms a second of speech"], rows
    )


def _word_times(kinds: Mapping[str, dict[str, float]]) -> str:
    rows: list[list[object]] = [
        [kind, told["words"], *(told.get(key) for key in ("median_ms", "p50_error_ms", "p95_error_ms"))]
        for kind, told in kinds.items()
    ]
    head = ["word times by", "words", "median, ms late", "error p50, ms", "error p95, ms"]
    return table(head, rows)


def peers(result: Result) -> str:
    """Return the section of ``peers``."""
    rows: list[list[object]] = []
    for name, told in result["systems"].items():
        best, one = told["at_capacity"], told["with_one_stream"]
        shown = best or one or {}
        rows.append(
            [
                name,
                f"{told['streams_per_core']:g}",
                f"{told['yuetone_is_times_better']}x",
                shown.get("streams"),
                shown.get("covered"),
                shown.get("partial_age"),
                shown.get("cpu_s_per_stream_s"),
                f"{shown['cer']:.1%}" if shown else None,
            ]
        )
    limits = result["limits_ms"]
    versions = ", ".join(f"{name} {number}" for name, number in result["peers"].items())
    head = ["system", "streams per core", "Yuetone carries", "figures at",
            "sentence covered, ms: p50 / p95 / p99", "partial age, ms", "CPU-s per stream-s",
            "CER"]  # fmt: skip
    return (
        f"Model {Path(result['model']).name}; limits: a text that covers the sentence within "
        f"{limits['final_p95']:.0f} ms of its end (for Yuetone its final), partial age within "
        f"{limits['partial_age_p95']:.0f} ms, both p95. A peer that breaks them with one stream counts "
        f"as one in the ratio. {versions}.\n\n{table(head, rows)}"
    )


def peers_real(result: Result) -> str:
    """Return the section of ``peers-real``: a table for each ground."""
    limits, text = result["limits_ms"], ""
    head = ["system", "streams per core", "figures at", "sentence covered, ms: p50 / p95 / p99",
            "partial age, ms", "CPU-s per stream-s", "CER of one stream"]  # fmt: skip
    keys = ("streams_per_core", "streams", "covered", "partial_age", "cpu_s_per_stream_s")
    for ground, systems in result["grounds"].items():
        rows: list[list[object]] = [
            [name, *(told.get(key) for key in keys), f"{told.get('with_one_stream', told)['cer']:.1%}"]
            for name, told in systems.items()
        ]
        when = result.get("measured", {}).get(ground, result["environment"])
        text += f"**{ground}** ({when['date']}, {when['commit']})\n\n{table(head, rows)}\n"
    versions = ", ".join(f"{name} {number}" for name, number in result["peers"].items())
    return (
        f"Model {Path(result['model']).name}, but for the two that Yuetone made of it. Limits: a text that "
        f"covers the sentence within {limits['final_p95']:.0f} ms of its end (for Yuetone its final), "
        f"partial age within {limits['partial_age_p95']:.0f} ms, both p95. {versions}.\n\n{text}"
    )


def real(result: Result) -> str:
    """Return the section of ``real``."""
    rows: list[list[object]] = [
        [name, *(f"{told['mean'][key]:.1%}" for key in ("cer", "cer_unguarded", "without_text", "runaway")),
         told["mean"]["cpu_s_per_s"]]
        for name, told in result["models"].items()
    ]  # fmt: skip
    head = ["model, least input", "CER", "CER without guards", "speech without text", "texts that run away",
            "CPU-s a second of speech"]  # fmt: skip
    return table(head, rows)


def nothing(result: Result) -> str:
    """Return the section of ``nothing``."""
    rows: list[list[object]] = [
        [name, told["minutes"], told["invented_per_minute"]] for name, told in result["models"].items()
    ]
    return table(["model", "minutes of made sounds", "characters invented a minute"], rows)


def soak(result: Result) -> str:
    """Return the section of ``soak``."""
    rows: list[list[object]] = [
        [name, s["from"], s["to"], s["per_hour"], s["t"]] for name, s in result["slopes"].items()
    ]
    grew = ", ".join(result["grew"]) or "nothing"
    return (
        f"{result['streams']} calls at once for {result['minutes']} minutes, {result['call_minutes']} "
        f"minutes each; grew: **{grew}**; "
        f"failed: {result['failed']}.\n\n" + table(["what", "from", "to", "slope an hour", "t"], rows)
    )


def outages(result: Result) -> str:
    """Return the section of ``outages``."""
    keys = ("outages", "conversations", "calls", "finals", "lost", "doubled")
    rows: list[list[object]] = [
        [what, *(result[name][key] for key in keys), f"{result[name]['text_differs']:.1%}"]
        for what, name in (("server killed (SIGKILL)", "kills"), ("line cut", "cuts"))
    ]
    head = ["outage", "how many", "conversations", "calls that they became", "finals undisturbed", "lost",
            "doubled", "text that differs"]  # fmt: skip
    how = f"{result['seconds']:.0f} s of the bundled, synthetic call, {result['speed']:g} times real time"
    return f"{how}, at random moments.\n\n{table(head, rows)}"


def access(result: Result) -> str:
    """Return the section of ``access``."""
    tokens, requests, records = result["tokens_us"], result["requests_us"], result["records"]
    kinds = ("no gate", "gate", "gate and audit")
    rows: list[list[object]] = [[f"token, {name}", f"{value} µs"] for name, value in tokens.items()]
    rows += [[f"request, {name}", f"{requests[name]} µs"] for name in kinds]
    rows += [
        ["record, with others, written", f"{records['append_us']} µs"],
        ["record, alone, on disk", f"p50 {records['one at a time']['p50_ms']} ms"],
        [f"{records['verified']:,} records verified", f"{records['verify_s']} s"],
    ]
    assumed = result["assumed"]
    return (
        f"Gate and audit: **{result['a_call_second_us']} µs of processor time a call-second** "
        f"({assumed['requests_a_call']} requests in a call of {assumed['call_s']:.0f} s, assumed; "
        "nothing is added to a message).\n\n" + table(["what", "processor time"], rows)
    )


SECTIONS: tuple[tuple[str, str, Callable[[Result], str]], ...] = (
    ("peers_real", "Beside its peers, on real people", peers_real),
    ("real", "Real people", real),
    ("nothing", "Sound without speech", nothing),
    ("peers", "Beside its peers, on synthetic speech", peers),
    ("peers_tiny", "Beside its peers, at whisper-tiny's shape", peers),
    ("peers_tiny_trimmed", "Beside its peers, at that shape with a trimmed vocabulary", peers),
    ("latency", "Latency", latency),
    ("latency_gateways", "Latency, with a gateway", latency),
    ("capacity", "Capacity", capacity),
    ("stages", "Cost of each stage", stages),
    ("accuracy", "Accuracy", accuracy),
    ("soak", "Endurance", soak),
    ("outages", "Outages", outages),
    ("access", "Identity and audit", access),
)


def plot_capacity(result: Result, path: Path) -> None:
    """Draw p95 against the number of streams."""
    import matplotlib as mpl  # noqa: PLC0415 (extra: plot)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    runs = sorted(result["runs"], key=lambda r: int(r["streams"]))
    figure, axes = plt.subplots(figsize=(7, 4))
    for key, name, limit in (
        ("final_latency", "final", "final_p95"),
        ("partial_age", "partial age", "partial_age_p95"),
    ):
        line = axes.plot(
            [r["streams"] for r in runs], [r[key]["p95_ms"] for r in runs], "o-", label=f"{name}, p95"
        )
        axes.axhline(result["limits_ms"][limit], ls="--", color=line[0].get_color(), alpha=0.6)
    axes.axvline(result["streams_per_core"], color="grey", lw=1)
    axes.set(xlabel="streams on one core", ylabel="ms", ylim=(0, 3 * result["limits_ms"]["partial_age_p95"]))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def write(results: Path, out: Path) -> Path:
    """Write the report on what is recorded; return its file."""
    text = "# Results\n\nGenerated by `python -m benchmarks report` from [results/](results); do not edit.\n"
    for name, title, section in SECTIONS:
        path = results / f"{name}.json"
        if not path.is_file():
            continue
        result = json.loads(path.read_text("utf-8"))
        command = result.get("command", f"python -m benchmarks {result['benchmark']}")
        text += f"\n## {title}\n\n`{command}`: {_conditions(result)}\n{section(result)}"
        if name == "capacity":
            (out / "results").mkdir(parents=True, exist_ok=True)
            plot_capacity(result, out / "results" / "capacity.png")
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(text, "utf-8")
    return out / FILE


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON results")
    parser.add_argument("--out", type=Path, default=RESULTS.parent, help="folder to write to")
    options = parser.parse_args()
    print(write(options.results, options.out))


if __name__ == "__main__":
    main()
