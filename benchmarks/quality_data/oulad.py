"""Open University: who passes, who hands in again, with what score.

Days count from the start of a course's run, so they become dates. When somebody unregistered is left out: it
is not known at the enrolment. Nor is the result, which is a row of its own of the day on which the run ends.
"""

from __future__ import annotations

from pathlib import Path

import relhop as rh
from benchmarks.quality_data.question import Question

_START = "(CASE right({run}, 1) WHEN 'B' THEN make_date(left({run}, 4)::INT, 2, 1)"
_START += " ELSE make_date(left({run}, 4)::INT, 10, 1) END)"


def _date(run: str, days: str) -> str:
    return f"CAST({_START.format(run=run)} + CAST({days} AS INT) AS TIMESTAMP)"


_ENROLMENT = "concat_ws('/', {0}.code_module, {0}.code_presentation, {0}.id_student)"
_RUN = "concat_ws('/', {0}.code_module, {0}.code_presentation)"
_TABLES = [
    rh.Table(
        "enrolments",
        sql=f"SELECT {_ENROLMENT.format('s')} AS enrolment, {_RUN.format('s')} AS run, s.id_student, gender,"
        " region, highest_education, imd_band, age_band, num_of_prev_attempts, studied_credits, disability,"
        " final_result,"
        f" {_date('s.code_presentation', 'coalesce(r.date_registration, 0)')} AS registered"
        " FROM student s JOIN student_registration r USING (code_module, code_presentation, id_student)",
        pkey_col="enrolment",
        time_col="registered",
        stypes={"num_of_prev_attempts": "numerical", "studied_credits": "numerical"},
    ),
    rh.Table("students", sql="SELECT DISTINCT id_student FROM student", pkey_col="id_student"),
    rh.Table(
        "runs",
        sql=f"SELECT {_RUN.format('c')} AS run, code_module, module_presentation_length,"
        f" {_date('code_presentation', '0')} AS starts FROM course c",
        pkey_col="run",
        stypes={
            "code_module": "categorical",
            "module_presentation_length": "numerical",
            "starts": "timestamp",
        },
    ),
    rh.Table(
        "results",
        sql=f"SELECT {_ENROLMENT.format('s')} AS enrolment, s.id_student, s.code_module,"
        f" s.final_result AS result, {_date('code_presentation', 'c.module_presentation_length')} AS ended"
        " FROM student s JOIN course c USING (code_module, code_presentation)",
        pkey_col="enrolment",
        time_col="ended",
        stypes={"result": "categorical", "code_module": "categorical"},
    ),
    rh.Table(
        "assessments",
        sql=f"SELECT id_assessment, {_RUN.format('a')} AS run, assessment_type, weight,"
        f" {_date('code_presentation', 'date')} AS due FROM assessment a",
        pkey_col="id_assessment",
        stypes={"due": "timestamp", "weight": "numerical", "assessment_type": "categorical"},
    ),
    rh.Table(
        "submissions",
        sql=f"SELECT row_number() OVER () AS submission, {_ENROLMENT.format('e')} AS enrolment,"
        " e.id_assessment, e.score, e.is_banked,"
        f" {_date('e.code_presentation', 'e.date_submitted')} AS submitted"
        " FROM (SELECT * FROM student_assessment JOIN assessment USING (id_assessment)) e",
        pkey_col="submission",
        time_col="submitted",
        stypes={"score": "numerical"},
    ),
]
_LINKS = [
    rh.Link("enrolments", "run", "runs"),
    rh.Link("enrolments", "id_student", "students"),
    rh.Link("results", "id_student", "students"),
    rh.Link("assessments", "run", "runs"),
    rh.Link("submissions", "enrolment", "enrolments"),
    rh.Link("submissions", "id_assessment", "assessments"),
]
_FILES = ("assessment", "course", "student", "student_assessment", "student_registration", "vle")
_AGAIN = {"stride": "30 days", "val_start": "2014-11-01", "test_start": "2015-01-01", "max_eval_anchors": 2}
_BUSY = "WHERE COUNT(submissions.*, -60, 0) > 0"
_UNKNOWN_YET = {"column_processing.drop": ["enrolments.final_result"]}


def store(data: Path, folder: Path) -> rh.Store:
    """Six tables."""
    graph = rh.Graph.from_folder(
        data / "oulad", tables=_TABLES, links=_LINKS, exclude_tables=_FILES, verbose=False
    )
    return graph.snapshot(folder / "oulad.rh", progress=False)


QUESTIONS = [
    Question(
        "oulad: an enrolment will pass",
        "PREDICT enrolments.final_result IN ('Pass', 'Distinction') FOR EACH enrolments.enrolment",
        "auroc",
        {"val_start": "2014-03-01", "test_start": "2014-08-15"},
        simple={"few credits": lambda found: -found["enrolments_studied_credits"]},
    ),
    Question(
        "oulad: hands something in within 30 days",
        f"PREDICT COUNT(submissions.*, 0, 30) > 0 FOR EACH enrolments.enrolment {_BUSY}",
        "auroc",
        _AGAIN,
        plan=_UNKNOWN_YET,
        simple={
            "few days since the last": lambda found: -found["submissions_enrolment_newest"],
            "many in 90 days": lambda found: found["submissions_enrolment_count_90"],
        },
    ),
    Question(
        "oulad: mean score of the next 30 days",
        f"PREDICT AVG(submissions.score, 0, 30) FOR EACH enrolments.enrolment {_BUSY}",
        "mae",
        _AGAIN,
        plan=_UNKNOWN_YET,
        simple={"mean score so far": lambda found: found["submissions_enrolment_score_mean_None"].fillna(75)},
    ),
]
