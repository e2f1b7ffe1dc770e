"""The files of surveys and reviews, and the configuration that reads them."""

from pathlib import Path

from attribution.demo import words
from attribution.demo.formats import Tables, dollars, text, whole, write_csv, written
from attribution.demo.formats import words as said

OPINIONS = """
[sources.surveys]
kind = "files"
folder = {drop[surveys]}
timezone = "America/Chicago"
[[sources.surveys.files]]
match = "nps.csv"
row = "feedback"
datetime_format = "%d %b %Y %H:%M"
constants = {{ kind = "nps", scale_max = 10 }}
[sources.surveys.files.columns]
feedback_id = "Response ID"
at = "Submitted"
score = "Would recommend (0-10)"
email = "Respondent email"
service_line = "Department"
location = "Clinic"
comment = "Comment"
[sources.surveys.files.values]
service_line = {{ {titles} }}
location = {{ {clinics} }}

[sources.reviews]
kind = "files"
folder = {drop[reviews]}
timezone = "America/Chicago"
[[sources.reviews.files]]
match = "reviews.csv"
row = "feedback"
datetime_format = "%Y-%m-%d %H:%M"
constants = {{ kind = "review", scale_max = 5 }}
[sources.reviews.files.columns]
feedback_id = "review"
at = "written"
score = "stars"
survey = "site"
location = "listing"
[sources.reviews.files.values]
location = {{ {clinics} }}
[[sources.reviews.files]]
match = "ratings.csv"
row = "reputation"
constants = {{ scale_max = 5, timezone = "America/Chicago" }}
[sources.reviews.files.columns]
day = "day"
platform = "site"
place = "id"
rating = "rating"
reviews = "reviews"
location = "listing"
[sources.reviews.files.values]
location = {{ {clinics} }}
"""


def write_opinions(drop: Path, tables: Tables) -> None:
    """Answers as a survey tool exports them, reviews and ratings as a site lists them."""
    told = tables["feedback"]
    answers, reviews = told[told["kind"] == "nps"], told[told["kind"] == "review"]
    write_csv(
        drop / "surveys" / "nps.csv",
        {
            "Response ID": text(answers["feedback_id"]),
            "Submitted": written(answers["at"], "%d %b %Y %H:%M"),
            "Would recommend (0-10)": whole(answers["score"]),
            "Respondent email": text(answers["email"]),
            "Department": said(answers["service_line"], words.LINE_TITLES),
            "Clinic": said(answers["location"], words.CLINICS),
            "Comment": text(answers["comment"]),
        },
    )
    write_csv(
        drop / "reviews" / "reviews.csv",
        {
            "review": text(reviews["feedback_id"]),
            "written": written(reviews["at"], "%Y-%m-%d %H:%M"),
            "stars": whole(reviews["score"]),
            "site": text(reviews["survey"]),
            "listing": said(reviews["location"], words.CLINICS),
        },
    )
    shown = tables["reputation"]
    write_csv(
        drop / "reviews" / "ratings.csv",
        {
            "day": written(shown["day"], "%Y-%m-%d"),
            "site": text(shown["platform"]),
            "id": text(shown["place"]),
            "rating": dollars(shown["rating"]),
            "reviews": whole(shown["reviews"]),
            "listing": said(shown["location"], words.CLINICS),
        },
    )
