"""Help of the commands: -h on all of them, lists of names, and a start without the libraries that are slow to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from oracles.command_line import caller

from seqaudit.bandits.registry import POLICIES
from seqaudit.benchmarks.cli.main import app
from seqaudit.posteriors.raters.registry import rater_model_names
from seqaudit.posteriors.utilities import UTILITIES


def commands() -> dict[str, object]:
    """Every command by its words."""
    found, left = {}, {(): typer.main.get_command(app)}
    while left:
        words, command = left.popitem()
        found[" ".join(words)] = command
        left |= {(*words, name): one for name, one in getattr(command, "commands", {}).items()}
    return found


COMMANDS = commands()
LISTED = {"--policy": POLICIES.known, "--model": rater_model_names, "--utility": UTILITIES.names}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return caller(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_asked_for_by_either_option_and_lists_the_names_that_options_take(command, run):
    short, long = (run(*command.split(), option) for option in ("-h", "--help"))
    assert short.status == 0
    assert short.err == ""
    assert short.out == long.out
    options = {word for option in COMMANDS[command].params for word in option.opts}
    words = short.out.replace(",", " ").split()
    for option, names in LISTED.items():
        assert (set(names()) <= set(words)) == (option in options)


def test_help_loads_no_library_of_the_rater_models():
    code = """
import sys
from seqaudit.benchmarks.cli.main import main
try:
    main(["fit", "-h"])
finally:
    sys.exit(str({"pymc", "arviz", "matplotlib", "pandas", "joblib"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stderr == "set()\n"
    assert "dawid-skene" in found.stdout


@pytest.mark.parametrize("prior", [("--prior", "2,3"), ("--prior", "2", "3"), ("--prior=2,3",), ("--prior", "2, 3")])
def test_a_prior_is_written_with_a_comma_or_a_space(prior, run):
    Path("votes.csv").write_text("item,rater,label\n" + "".join(f"a,{rater},1\n" for rater in range(4)))
    found = run("replay", "votes.csv", "--budget", 2, "-p", "kg", *prior, "--jobs", 1, "--json")
    assert found.json["inputs"]["prior"] == [2, 3]


@pytest.mark.parametrize("prior", ["2,x", "2,3,4"])
def test_a_prior_that_is_no_pair_is_refused(prior, run):
    Path("votes.csv").write_text("item,rater,label\n" + "".join(f"a,{rater},1\n" for rater in range(4)))
    assert "--prior" in run("replay", "votes.csv", "--prior", prior, "--budget", 2).assert_refused()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("curve", "problem.toml", "--points", "1_0"), "--points is '1_0'; it must be a number in plain digits"),
        (("curve", "problem.toml", "--points=1_0"), "--points is '1_0'; it must be a number in plain digits"),
        (("certify", "problem.toml", "--replications", "٣"), "Invalid value for '--replications'"),
        (("provenance", "votes.csv", "--threshold", "0.1_5"), "--threshold is '0.1_5'; it must be a number in plain"),
        (("replay", "votes.csv", "--budget", "2", "--prior", "1_0", "1"), "--prior is '1_0'; it must be"),
        (("replay", "votes.csv", "--budget", "2_0"), "--budget is '2_0'; it must be a number in plain digits"),
        (("statics", "problem.toml", "--vary", "beta", "--values", "1_0,2"), "--values is '1_0,2'; give numbers"),
    ],
)
def test_numbers_are_plain_digits(run, words, told):
    Path("votes.csv").write_text("item,rater,label\na,x,1\na,y,0\n")
    Path("problem.toml").write_text("budget = 3\nthreshold = [0.5, 0.6]\n")
    assert run(*words).assert_refused().startswith(told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("certify", "problem.toml", "--replications", "4", "--replications", "5"), "--replications is given 2 times"),
        (("certify", "problem.toml", "-p", "kg", "-p", "apt", "--seed=1", "--seed", "1"), "--seed is given 2 times"),
        (("replay", "votes.csv", "--labels", "A=1,B=0", "--labels", "A=0,B=1"), "--labels is given 2 times"),
        (("replay", "votes.csv", "--prior", "1,1", "--prior", "1", "2"), "--prior is given 2 times"),
        (("certify", "problem.toml", "--exact", "--no-exact"), "--exact and --no-exact contradict each other"),
        (("certify", "problem.toml", "--exact", "--exact"), "--exact is given 2 times"),
        (("certify", "problem.toml", "--exact", "--seed", "3"), "--seed has no effect with --exact"),
        (("certify", "problem.toml", "--exact", "--replications", "3"), "--replications has no effect with --exact"),
        (("statics", "problem.toml", "--vary", "beta", "--exact", "--policy", "kg"), "--policy has no effect with"),
        (("provenance", "votes.csv", "--groups", "--no-groups"), "--groups and --no-groups contradict"),
        (("replay", "votes.csv", "--budget", "2", "--strict"), "--strict has no effect without --items"),
        (
            ("statics", "batches.toml", "--vary", "offset", "--values", "0.1", "--exact"),
            "--exact does not go with batch",
        ),
        (("provenance", "votes.csv", "--share", ".3", "--share", "0.30"), "--share 0.3 is given 2 times"),
        (("fit", "votes.csv", "--method", "fast", "--tune", "7"), "--tune has no effect with --method fast"),
        (("fit", "votes.csv", "--method", "fast", "--chains", "4"), "--chains has no effect with --method fast"),
        (("calibrate", "labels", "votes.csv", "--tune", "1000"), "--tune has no effect with --method fast"),
        (("calibrate", "sbc", "--method", "fast", "--thin", "3"), "--thin has no effect with --method fast"),
        (("provenance", "votes.csv", "--model", "none", "--draws", "9"), "--draws has no effect with --model none"),
        (("provenance", "votes.csv", "--tune", "9"), "--tune has no effect without --nuts"),
    ],
)
def test_options_that_would_be_ignored_are_refused(run, words, told):
    Path("batches.toml").write_text("budget = 4\nthreshold = [0.5, 0.6]\nbatch = 2\n")
    Path("votes.csv").write_text("item,rater,label\na,x,1\na,y,0\n")
    Path("problem.toml").write_text("budget = 3\nthreshold = [0.5, 0.6]\n")
    assert run(*words).assert_refused().startswith(told)
