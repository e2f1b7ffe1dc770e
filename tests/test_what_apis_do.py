"""Which test shows that each source stands what its API does: a table, and that it is true.

Columns: pages, quotas, a token that ends while it is in use, jobs that are made while one waits,
days or records that are told anew, bodies that are cut. That fields are added is shown for all at
once: every answer in `every_source` has a field in every object that no connector knows.
"""

import re
from pathlib import Path

import pytest

from connectors import SOURCES

TESTS = Path(__file__).parent
DOES = ("pages", "quotas", "ending token", "jobs", "told anew", "cut body")
NONE = "-"  # the API does nothing of the kind: said below
# Where there is nothing of the kind.
WHY = {
    "no jobs": {"ga4", "google_ads", "hubspot", "zendesk_sell", "callrail", "twilio",
                "google_reviews", "yelp", "pollen", "air_quality"},
    "a question is one answer": {"yelp", "air_quality"},
    "reports are files, not pages": {"microsoft_ads"},
}  # fmt: skip
TABLE = {
    "ga4": (
        "ga4.pages_are_read_to_the_row_count",
        "ga4.a_short_quota_is_waited_out",
        "ga4.a_key_that_expires_while_reading_is_not_hammered",
        NONE,
        "ga4_leads.a_restated_month_leaves_no_ghost",
        "ga4.failures_that_pass_are_asked_again",
    ),
    "meta_ads": (
        "meta_ads.pages_are_read_to_the_end_past_an_empty_one",
        "meta_ads.throttles_are_waited_out",
        "meta_ads.a_token_that_expires_while_reading_is_not_hammered",
        "meta_ads.a_job_that_comes_to_nothing_is_asked_for_in_halves",
        "meta_ads.the_next_load_reads_the_days_that_may_be_restated",
        "meta_ads.broken_answers_are_failures_and_asked_again",
    ),
    "google_ads": (
        "google_ads.rows_arrive_as_they_are_at_google_over_many_batches",
        "google_ads.the_day_s_operations_end_the_source_until_tomorrow",
        "google_ads.a_token_that_expires_while_reading_is_made_anew",
        NONE,
        "google_ads.the_next_load_reads_the_days_that_may_be_restated",
        "google_ads.broken_answers_are_asked_again_from_the_start",
    ),
    "microsoft_ads": (
        NONE,
        "microsoft_ads.throttles_are_waited_out",
        "microsoft_ads.a_token_that_expires_while_reading_is_made_anew",
        "microsoft_ads.a_refresh_that_was_killed_reads_the_reports_it_had_asked_for",
        "microsoft_ads.the_next_load_reads_the_days_that_may_be_restated",
        "microsoft_ads.a_download_that_is_cut_or_no_zip_is_fetched_again_from_a_fresh_address",
    ),
    "hubspot": (
        "hubspot.more_than_ten_thousand_with_one_timestamp_all_come",
        "hubspot.throttles_are_waited_out_with_and_without_a_time",
        "hubspot.a_token_that_is_withdrawn_while_reading_names_the_scopes",
        NONE,
        "hubspot.a_changed_contact_comes_again",
        "hubspot.broken_answers_are_asked_again",
    ),
    "salesforce": (
        "salesforce_answers.thousands_with_one_stamp_all_come_page_by_page",
        "salesforce_answers.the_daily_limit_says_when_to_come_back",
        "salesforce_answers.a_session_that_ends_in_the_middle_is_renewed",
        "salesforce_answers.a_job_that_fails_is_made_again_and_then_given_up",
        "salesforce_answers.a_second_load_is_the_same_and_a_changed_record_comes_again",
        "salesforce_answers.broken_answers_are_asked_again",
    ),
    "zendesk_sell": (
        "zendesk_sell.lists_are_read_to_the_end",
        "zendesk_sell.throttles_are_waited_out_though_they_say_no_time",
        "zendesk_sell.a_token_that_is_withdrawn_while_reading_says_what_to_make",
        NONE,
        "zendesk_sell.what_was_not_committed_comes_again",
        "zendesk_sell.broken_answers_are_asked_again",
    ),
    "fhir": (
        "fhir_server.pages_are_followed_to_the_end_and_remarks_are_no_rows",
        "fhir_server.what_may_pass_is_asked_again",
        "fhir_server.a_token_that_ends_while_in_use_is_renewed",
        "fhir_server.a_crash_resumes_the_same_export",
        "fhir_server.a_second_refresh_brings_only_what_changed",
        "fhir_server.half_a_file_is_fetched_again_and_else_nothing_is_loaded",
    ),
    "callrail": (
        "callrail_reading.a_call_that_arrives_between_two_pages_loses_none",
        "callrail_reading.a_limit_says_when_to_come_back_and_ends_the_source",
        "callrail_reading.a_key_that_is_withdrawn_while_reading_says_what_to_do",
        NONE,
        "callrail_reading.a_second_read_is_the_same_and_a_change_lands",
        "callrail_reading.what_may_pass_is_asked_again",
    ),
    "twilio": (
        "twilio.all_pages_are_read",
        "twilio.throttles_are_waited_out_with_and_without_a_time",
        "twilio.a_refusal_in_the_middle_says_what_to_grant",
        NONE,
        "twilio.a_text_whose_state_changed_is_told_again_under_the_same_ids",
        "twilio.broken_answers_are_asked_again",
    ),
    "google_reviews": (
        "google_reviews.reviews_are_read_to_the_last_page",
        "google_reviews.throttling_is_waited_out_or_told",
        "google_reviews.a_token_that_expires_while_reading_is_replaced",
        NONE,
        "google_reviews.a_changed_review_lands_once_and_a_second_read_is_the_same",
        "google_reviews.what_may_pass_is_asked_again",
    ),
    "yelp": (
        NONE,
        "yelp.the_daily_limit_leaves_what_was_loaded_and_says_when_to_come_back",
        "yelp.a_refused_key_says_what_to_do",
        NONE,
        "yelp.only_the_newest_rating_is_kept",
        "yelp.what_may_pass_is_asked_again",
    ),
    "pollen": (
        "environment.pollen_is_paged_to_its_end",
        "environment.a_throttled_pollen_service_is_waited_for",
        "environment.pollen_refusals_say_what_to_grant",
        NONE,
        "environment.a_forecast_gives_way_to_the_day_itself",
        "environment.failures_that_pass_are_asked_again",
    ),
    "air_quality": (
        NONE,
        "environment.airnow_s_limit_ends_the_source",
        "environment.a_key_that_expires_while_reading_is_refused",
        NONE,
        "environment.the_next_load_reads_what_may_be_restated",
        "environment.failures_that_pass_are_asked_again",
    ),
}
# These read folders; what a file can be is in the tests of each.
FOLDERS = {"files", "fhir_files", "ga4_export", "message_events", "smtp_log", "spend_sheet"}


def test_every_source_has_a_line():
    assert set(TABLE) | FOLDERS >= {kind for kind in SOURCES if not kind.startswith("scripted")}
    assert {len(line) for line in TABLE.values()} == {len(DOES)}


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_every_test_in_the_table_is_there(kind):
    for name in TABLE[kind]:
        if name != NONE:
            file, _, test = name.partition(".")
            text = (TESTS / f"test_{file}.py").read_text(encoding="utf-8")
            assert re.search(rf"^def test_{test}\(", text, re.MULTILINE), name


def test_what_an_api_does_not_do_is_said():
    said = {"jobs": WHY["no jobs"], "pages": {*WHY["a question is one answer"]}}
    said["pages"] |= WHY["reports are files, not pages"]
    for place, name in enumerate(DOES):
        none = {kind for kind, line in TABLE.items() if line[place] == NONE}
        assert none == said.get(name, set())
