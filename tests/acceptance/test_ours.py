"""Where the contract says Ours, a test holds us to it: which one, rule by rule."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
GENERAL, AUTH, HEALTH = "acceptance/test_general", "acceptance/test_auth", "acceptance/test_health"
BAD, WRITE, READ = "acceptance/test_bad_input", "acceptance/test_entities_write", "acceptance/test_entities_read"
TIME, AUDIT, TYPES = "acceptance/test_time", "acceptance/test_audit", "acceptance/test_types"
REPLAYS, CONDITIONAL, DATED = "acceptance/test_replays", "acceptance/test_conditional", "acceptance/test_dated"
SAMPLE, RESTART, HASH = "acceptance/test_sample_data", "acceptance/test_restart", "unit/test_hashdiff"
LATER = "test_a_parameter_of_a_later_issue_is_refused_by_name"
NOT_YET = "test_the_future_and_at_or_before_the_last_change_are_not_supported_yet"

OURS: list[tuple[str, str, str]] = [
    # General
    ("Both slash forms answer everywhere", GENERAL, "test_both_forms_answer_with_and_without_a_slash"),
    ("Both slash forms, writes", GENERAL, "test_writes_answer_in_both_forms"),
    ("Also Bearer", AUTH, "test_the_scheme_is_token_in_any_case_or_bearer"),
    ("COCKPIT_PUBLIC_READS", AUTH, "test_where_reads_are_not_public_they_need_a_token"),
    ("Reads are not public in production", SAMPLE, "test_it_is_refused_in_production_and_reads_need_a_token_there"),
    ("A wrong token is 401 even on reads", AUTH, "test_a_wrong_token_is_401_even_where_reads_are_public"),
    ("The token is checked before the body", BAD, "test_the_token_is_checked_before_the_body"),
    ("Wrong or missing content type: 415", BAD, "test_a_wrong_or_missing_content_type_is_415"),
    ("Unknown body fields are refused", GENERAL, "test_an_unknown_body_field_is_refused"),
    ("Unknown query parameters are refused, reads", GENERAL, "test_an_unknown_query_parameter_is_refused_by_reads"),
    ("Unknown query parameters are refused, writes", GENERAL, "test_an_unknown_query_parameter_is_refused_by_writes"),
    ("Read-only fields sent back", GENERAL, "test_an_entity_sent_back_unchanged_is_taken_with_its_read_only_fields"),
    ("Microseconds only when not zero", GENERAL, "test_instants_go_out_with_a_z_and_microseconds_only_when_not_zero"),
    ("problem+json", GENERAL, "test_a_validation_error_is_a_problem_with_the_originals_members_beside"),
    ("The problem's own members stay", GENERAL, "test_no_field_member_takes_the_place_of_a_member_of_the_problem"),
    ("Malformed JSON: 400", BAD, "test_a_body_that_is_no_object_of_json_is_400"),
    ("404", BAD, "test_an_unknown_path_is_404"),
    ("405 with a true Allow", BAD, "test_a_method_that_is_not_answered_is_405_with_a_true_allow"),
    ("406", BAD, "test_a_client_that_takes_no_json_gets_406"),
    ("413", BAD, "test_a_body_over_the_limit_is_413_also_when_it_comes_in_chunks"),
    ("403", AUTH, "test_a_token_without_the_scope_is_403"),
    ("503", GENERAL, "test_min_position_beyond_the_log_is_503_with_retry_after"),
    ("X-Request-Id, if it is sane", GENERAL, "test_a_sane_request_id_is_taken_from_the_request"),
    ("X-Request-Id, if it is not", GENERAL, "test_a_request_id_that_is_not_sane_is_replaced"),
    ("Security headers", GENERAL, "test_security_headers_and_a_request_id_are_on_every_answer"),
    ("Headers of reads", GENERAL, "test_reads_carry_etag_position_and_as_of"),
    ("Headers of writes", GENERAL, "test_writes_carry_etag_position_location_and_event_id"),
    ("A no-op has no Event-Id", GENERAL, "test_a_no_op_has_no_event_id"),
    ("HEAD", GENERAL, "test_head_answers_wherever_get_does_with_the_same_headers_and_no_body"),
    ("OPTIONS", GENERAL, "test_options_tells_what_is_allowed_wherever_get_answers"),
    ("CORS by setting", AUTH, "test_pages_of_a_named_origin_may_call_and_no_others"),
    ("page_size", READ, "test_page_size_is_1_to_500"),
    ("cursor", READ, "test_pages_by_cursor_join_up_whatever_is_written_between"),
    ("Past the end", READ, "test_past_the_end_there_is_the_true_count_and_no_results"),
    ("count is exact", READ, "test_the_plain_count_and_that_of_a_type_are_exact"),
    ("count=none", READ, "test_count_none_leaves_the_count_null"),
    # Auth and health
    ("expires_at and scopes", AUTH, "test_a_password_is_exchanged_for_a_token_that_opens_writes"),
    ("COCKPIT_TOKEN_TTL", AUTH, "test_a_token_expires_when_it_says"),
    ("Each call makes a new token", AUTH, "test_each_call_makes_a_new_token_and_earlier_ones_stay_valid"),
    ("Tokens are stored hashed", AUTH, "test_a_token_is_stored_hashed"),
    ("Wrong user or password: the same", AUTH, "test_a_wrong_user_and_a_wrong_password_get_the_same_answer"),
    ("429 after repeated failures", AUTH, "test_repeated_failures_are_429_with_retry_after"),
    ("DELETE /auth/token", AUTH, "test_delete_revokes_the_token_in_use_and_no_other"),
    ("Ping adds how far we are", HEALTH, "test_ping_tells_the_head_the_checkpoint_the_lag_and_what_is_parked"),
    ("No django_version but ours", HEALTH, "test_ping_has_no_django_version_but_ours"),
    ("features tells what is on", HEALTH, "test_ping_tells_which_features_are_on"),
    ("/livez, /readyz, /docs, /openapi.json", HEALTH, "test_these_stand_beside_it"),
    # Entities
    ("id is stable across rebuilds", RESTART, "test_ids_hashes_and_answers_are_stable_across_restart_and_rebuild"),
    ("hashdiff keeps case", WRITE, "test_a_hash_tells_case_apart"),
    ("hashdiff is unambiguous", HASH, "test_two_contents_share_a_hash_only_when_they_are_equal"),
    ("order=", READ, "test_order_may_be_by_name_or_uid"),
    ("detail_type and detail_value", READ, "test_a_list_may_be_of_those_with_a_detail"),
    ("external_id, with a later issue", BAD, "test_a_query_that_is_not_valid_is_400_and_names_the_field"),
    ("% and _ are literal", READ, "test_q_takes_every_sign_as_itself"),
    ("Retired: 404, as-of before: 200", WRITE, "test_delete_retires_and_loses_nothing"),
    ("A client's own uid", WRITE, "test_a_client_may_bring_its_own_uid_and_say_it_again"),
    ("A detail type twice: 400, and the limits", BAD, "test_a_body_that_is_not_valid_is_400_and_names_the_field"),
    ("With a key the key decides", REPLAYS, "test_a_post_with_a_key_is_executed_once"),
    ("422 only for a key with another body", REPLAYS, "test_the_same_key_with_another_body_is_422"),
    ("Without a key the content", REPLAYS, "test_an_identical_post_without_a_key_gets_the_first_answer_with_200"),
    ("While at its first version", REPLAYS, "test_content_replays_only_while_the_entity_is_at_its_first_version"),
    ("Within a setting", REPLAYS, "test_content_replays_only_for_a_while"),
    ("0 turns it off", REPLAYS, "test_replays_by_content_can_be_turned_off"),
    ("Two people may share a name", REPLAYS, "test_two_keys_mean_two_people_of_one_name"),
    ("A retired uid POSTed again", WRITE, "test_a_retired_uid_posted_again_is_409_that_names_reopen"),
    ("PATCH is partial", WRITE, "test_patch_is_truly_partial"),
    ("PATCH upserts details", WRITE, "test_patch_upserts_listed_details_and_leaves_the_others"),
    ("null removes a detail", WRITE, "test_a_null_value_removes_a_detail"),
    ("Equal content: no event", WRITE, "test_a_patch_that_changes_nothing_appends_nothing"),
    ("One PATCH is one instant", WRITE, "test_one_patch_is_one_event_and_one_instant_for_all_that_it_changes"),
    ("Unchanged details keep valid_from", WRITE, "test_a_change_of_a_detail_alone_starts_no_new_entity_version"),
    ("Type deactivated", TYPES, "test_an_entity_whose_type_has_been_deactivated_can_still_be_changed_otherwise"),
    ("PUT", WRITE, "test_put_replaces_the_whole_and_ends_what_is_not_listed"),
    ("GET, edit, PUT", WRITE, "test_get_edit_put_keeps_what_was_read"),
    ("details and entity_details at once", WRITE, "test_details_under_both_names_at_once_are_refused"),
    ("reopen", WRITE, "test_reopen_brings_back_what_was"),
    ("DELETE takes effective_at as a parameter", DATED, "test_delete_takes_its_date_as_a_query_parameter"),
    ("effective_at in the body", DATED, "test_a_dated_change_holds_from_its_instant_on"),
    ("effective_at, with a later issue", DATED, NOT_YET),
    ("If-Match, of a read", CONDITIONAL, "test_a_write_takes_the_etag_of_a_read"),
    ("If-Match, of a write", CONDITIONAL, "test_a_write_takes_the_etag_of_the_last_write"),
    ("412 with the current ETag", CONDITIONAL, "test_a_stale_etag_is_412_with_the_current_one"),
    ("Nothing is ignored: If-Match", CONDITIONAL, "test_what_has_no_version_to_build_on_refuses_if_match_by_name"),
    ("A second DELETE: 404", WRITE, "test_delete_retires_and_loses_nothing"),
    ("428", CONDITIONAL, "test_where_it_is_mandatory_a_change_without_if_match_is_428"),
    ("Prefer: wait", GENERAL, "test_prefer_wait_answers_when_the_read_model_has_the_write"),
    ("History: position and actor", TIME, "test_history_has_position_actor_and_recorded_times"),
    # Time, audit, types
    ("As-of takes what the list takes", TIME, "test_as_of_takes_everything_the_list_takes"),
    ("Diff is net", TIME, "test_diff_is_the_net_difference_between_two_states"),
    ("Diff has exists", TIME, "test_diff_shows_the_beginning_of_existence"),
    ("mode=changes", TIME, "test_mode_changes_lists_every_step_with_its_own_instant"),
    ("Loaded history counts", TIME, "test_history_that_was_loaded_counts_in_diff"),
    ("from_date and to_date", TIME, "test_diff_is_a_page_by_uid_and_takes_aliases"),
    ("Instants in", TIME, "test_offsets_dates_and_naive_instants_name_the_same_instant"),
    ("Audit holds only what changed", AUDIT, "test_it_is_newest_first_and_holds_only_what_changed"),
    ("Audit: every row has its request", AUDIT, "test_every_row_has_its_request_id_address_agent_and_position"),
    ("Types take the scope admin", TYPES, "test_it_takes_the_scope_admin"),
    ("Codes", TYPES, "test_a_code_is_1_to_50_of_capitals_digits_and_underscores"),
    ("Sample data has its true history", SAMPLE, "test_it_has_its_true_history"),
    ("Later parameters are never ignored", BAD, LATER),
]


@pytest.mark.parametrize(("rule", "file", "test"), OURS, ids=[rule for rule, _, _ in OURS])
def test_every_rule_of_ours_has_its_test(rule: str, file: str, test: str) -> None:
    tree = ast.parse((TESTS / f"{file}.py").read_text())
    assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_rule_is_named_once() -> None:
    rules = [rule for rule, _, _ in OURS]
    assert len(rules) == len(set(rules))
