"""Which tests wait for ``make test-slow``, so that ``make test`` fits into its time in CI.

A test stays in ``make test`` as long as no cheaper one shows the same kind of behaviour. Of a test
with many cells, as many as are given here stay, spread evenly over its table; 0 leaves none.
Cells that are marked ``slow`` in their table are not counted.
"""

from collections.abc import Iterable

import pytest

_ROOT = "coin_assets_tests/"
CELLS = {
    # Processes: their parts are killed and watched by the tests of `supervision` and `launcher`.
    "commands/test_launch.py::test_runs_are_launched_followed_and_their_failures_explained": 0,
    "supervision/test_supervisor.py::test_processes_that_left_their_parent_are_killed_in_the_"
    "end": 0,
    "orchestration/workers/test_workers.py::test_a_run_waits_for_a_worker_of_its_queue": 0,
    "orchestration/workers/test_workers.py::test_a_run_whose_machine_is_gone_is_found_dead": 0,
    "orchestration/workers/test_workers.py::test_a_stopped_worker_lets_its_runs_end": 0,
    "test_contract_dump.py::test_dg_launches_a_job": 0,
    "test_contract_dump.py::test_dg_launches_an_asset": 0,
    "test_demo.py::test_wrong_settings_end_it_with_variable_value_and_remedy": 1,
    "test_documented_commands.py::test_dagster_lists_the_sensors": 0,
    "test_makefile.py::test_a_demo_in_an_odd_home_with_odd_symbols": 0,
    "test_up.py::test_servers_that_are_killed_start_again_and_no_secret_shows": 0,
    "test_up_shards.py::test_two_shards_are_served_as_one": 0,
    "test_webui.py::test_a_documented_line_materialises": 0,
    "test_webui.py::test_a_second_server_on_the_home_or_the_port_is_refused": 0,
    "orchestration/launcher/test_launcher_kills.py::test_runs_survive_the_server_and_the_next_"
    "launch_starts_another": 0,
    "orchestration/launcher/test_launcher.py::test_changed_code_is_imported_by_a_new_server": 0,
    "test_demo.py::test_a_missing_archive_file_fails_its_symbol_alone": 0,
    "test_demo_unreachable.py::test_an_exchange_that_does_not_answer_ends_the_demo_with_one_"
    "sentence": 2,
    "orchestration/launcher/test_launcher_kills.py::test_a_run_that_hangs_ends_with_its_"
    "process_when_its_time_is_over": 1,
    "orchestration/workers/test_workers.py::test_a_worker_that_could_not_work_does_not_start": 1,
    # Laws that cheaper tests of the same file show at fewer places.
    "alerts/test_killed.py::test_killed_at_any_moment": 0,
    "alerts/test_killed.py::test_killed_between_cycles": 1,
    "deploy/test_postgres_records.py::test_all_answers_are_those_of_dagsters_storage": 0,
    "domain/evaluation/test_promotion_histories.py::test_no_other_is_promoted_in_a_trial_"
    "period_of_daily_tests": 1,
    "orchestration/assets/test_fetches.py::test_single_series_and_ranges_of_months_are_fetched_"
    "by_their_steps": 1,
    "orchestration/assets/test_influxdb.py::test_assets_fail_loudly_and_the_next_run_repairs": 0,
    "orchestration/assets/test_leakage.py::test_without_a_future_the_forecasts_are_the_same": 1,
    "orchestration/assets/test_predictions.py::test_what_is_wrong_with_the_challenger_is_"
    "reported_and_holds_up_nothing": 1,
    "orchestration/assets/test_predictions.py::test_what_is_wrong_with_the_champion_leaves_the_"
    "last_good_forecast_and_is_reported": 1,
    "orchestration/faults/test_crashes.py::test_some_crashes_heal": 0,
    "orchestration/faults/test_files.py::test_a_fault_of_a_file_stays_local_and_is_reported": 1,
    "orchestration/jobs/test_copy_store.py::test_history_moves_to_influxdb_and_back_unchanged": 0,
    "orchestration/jobs/test_recompute.py::test_killed_midway_it_is_done_by_the_next_run": 1,
    "orchestration/jobs/test_retention.py::test_day_after_day_the_same_rule_holds": 0,
    "orchestration/jobs/test_training.py::test_what_stays_broken_fails_after_two_more_tries_"
    "and_at_once_for_a_person": 1,
    "orchestration/pruning/test_killed.py::test_the_next_prune_finishes_what_a_killed_one_began": 1,
    "orchestration/records/test_damage.py::test_records_that_cannot_be_read_are_set_aside_and_"
    "begin_anew": 3,
    "orchestration/records/test_planned_events.py::test_800_planned_events_take_as_many_"
    "transactions_as_8": 0,
    "orchestration/sensors/test_clock_alerts.py::test_a_clock_that_differs_alerts_at_once_and_"
    "is_told_when_it_is_set": 1,
    "orchestration/sensors/test_damage.py::test_a_damaged_file_holds_up_its_series_alone_and_"
    "is_reported": 1,
    "orchestration/sensors/test_damage.py::test_a_store_that_does_not_answer_is_reported_and_"
    "no_incident_recovers": 0,
    "orchestration/sensors/test_damage.py::test_damage_behind_a_whole_footer_is_found_and_"
    "reported_as_well": 1,
    "orchestration/sensors/test_edges.py::test_an_edge_is_found_once_and_reported_once_and_"
    "holds_up_nothing": 0,
    "orchestration/sensors/test_flat_and_sparse.py::test_a_price_that_hardly_moves_is_"
    "published_explained_and_left_in_peace": 0,
    "orchestration/sensors/test_influxdb_requests.py::test_requests_at_a_boundary_do_not_grow_"
    "with_the_series": 0,
    "orchestration/sensors/test_influxdb_requests.py::test_requests_of_a_tick_do_not_grow_with_"
    "the_series": 0,
    "orchestration/sensors/test_local_faults.py::test_a_later_correct_answer_replaces_a_"
    "refusal_of_the_running_month": 0,
    "orchestration/sensors/test_local_faults.py::test_a_range_that_is_always_refused_holds_up_"
    "no_other": 0,
    "orchestration/sensors/test_local_faults.py::test_a_refusal_that_lasts_is_requested_again_"
    "by_live_runs_alone_every_six_hours": 0,
    "orchestration/sensors/test_publish_due.py::test_a_damaged_file_is_reported_at_once_and_"
    "published_again": 2,
    "orchestration/sensors/test_publish_due.py::test_a_lost_manifest_is_made_anew": 1,
    "orchestration/sensors/test_quality.py::test_the_verdict_of_the_gate_is_applied_without_"
    "anybody": 1,
    "orchestration/sensors/test_quality.py::test_when_nothing_else_is_due_all_series_are_"
    "evaluated_in_one_run_once": 0,
    "orchestration/sensors/test_refused_archives.py::test_a_newest_file_that_is_refused_or_"
    "missing_stops_no_other_symbol": 1,
    "orchestration/sensors/test_refused_archives.py::test_a_refused_month_in_the_middle_of_an_"
    "archive_holds_up_nothing": 0,
    "orchestration/sensors/test_refused_archives.py::test_a_refused_month_that_the_exchange_no_"
    "longer_serves_fails_alone": 0,
    "orchestration/sensors/test_training_events.py::test_nothing_is_requested_while_a_training_"
    "is_open": 1,
    "orchestration/sensors/test_wrong_files.py::test_a_wrong_file_holds_up_its_series_alone_"
    "and_is_reported": 1,
    "orchestration/test_failures.py::test_step_and_run_fail_with_the_cause_and_not_with_the_"
    "number_of_attempts": 2,
    "pipeline/test_copy_store.py::test_a_killed_process_is_gone_on_from_where_it_was": 0,
    "pipeline/test_copy_store.py::test_death_before_or_after_any_write_costs_no_write_twice": 0,
    "pipeline/test_copy_store.py::test_what_only_the_target_has_is_removed_only_on_demand": 2,
    "pipeline/test_evaluate.py::test_an_evaluation_that_cannot_be_read_is_replaced_and_its_"
    "passes_are_lost": 1,
    "pipeline/test_fetch_ahead.py::test_closing_ends_all_threads_soon_and_keeps_the_pages": 1,
    "pipeline/test_kill.py::test_kills_leave_no_trace_and_cost_at_most_a_page_each": 0,
    "pipeline/test_kill_many.py::test_kills_leave_no_trace_and_cost_at_most_a_page_a_symbol_"
    "each": 0,
    "pipeline/test_promote_by_gate.py::test_a_damaged_challenger_is_not_promoted": 1,
    "pipeline/test_publish_archive.py::test_a_killed_run_leaves_what_the_next_one_completes_to_"
    "the_same_bytes": 0,
    "planning/test_planner.py::test_published_files_reach_the_newest_candle_within_three_ticks": 16,
    "planning/test_simulation.py::test_weeks_with_faults_and_outages_end_up_to_date": 1,
    "publish/test_publisher.py::test_two_processes_that_publish_different_series_lose_neither": 1,
    "shards/test_resharding.py::test_a_home_goes_through_numbers_of_shards_and_nothing_is_lost": 0,
    "site/test_faults.py::test_a_damaged_file_is_refused_until_it_is_whole_again": 1,
    "orchestration/assets/test_predictions.py::test_later_candles_change_no_forecast": 0,
    "orchestration/sensors/test_publish_due.py::test_a_forecast_that_is_not_sane_is_blocked_"
    "in_the_run_and_healed_by_the_next": 0,
    "orchestration/jobs/test_recompute.py::test_a_candle_that_comes_late_brings_its_"
    "forecasts_with_it": 0,
    "pipeline/test_evaluate.py::test_a_challenger_just_as_good_is_never_promoted_and_goes_"
    "when_its_term_is_over": 0,
    "market/test_combined.py::test_days_that_are_compared_together_fail_by_month": 0,
    # Tables of many rows of one kind.
    "market/test_ccxt.py::test_the_first_candle_is_found_with_few_requests": 1,
    "market/test_ccxt.py::test_trouble_that_passes_is_waited_for": 6,
    "market/test_ccxt.py::test_trouble_that_stays_is_temporary_and_the_market_delivers_"
    "afterwards": 6,
    "market/test_ccxt.py::test_whatever_the_habits_of_an_exchange_all_its_candles_arrive": 4,
    "market/test_ccxt_exchanges.py::test_an_answer_is_never_taken_for_more_than_its_request": 12,
    "market/test_ccxt_exchanges.py::test_consecutive_windows_leave_no_hole": 30,
    "market/test_exchanges.py::test_every_true_candle_arrives_once": 13,
    "market/test_exchanges.py::test_listed_is_the_first_candle_that_is_served": 11,
    "market/test_exchanges.py::test_minutes_arrive_as_well": 4,
    "market/test_exchanges.py::test_the_edge_is_where_an_exchange_forgets": 2,
    "market/test_faults.py::test_a_fault_of_replies_does_no_lasting_harm": 9,
    "market/test_mirrors.py::test_what_a_mirror_says_of_absent_files_changes_no_candle": 3,
    "market/test_recent.py::test_ranges_of_any_length_are_complete": 5,
    "market/test_recent.py::test_the_first_candle_is_the_older_one_of_the_two": 3,
    "market/test_refused_files.py::test_a_refused_monthly_file_is_replaced_and_named": 8,
    "market/test_samples.py::test_a_month_that_differs_is_not_stored_as_the_archive_has_it": 2,
    "market/test_zipped.py::test_a_month_whose_zips_differ_is_refused_with_both_names_and_the_"
    "months_before_are_not": 1,
    "market/test_zipped.py::test_what_a_monthly_zip_lacks_comes_from_the_daily_zips": 2,
    "planning/test_series_apart.py::test_a_damaged_file_of_one_series_leaves_the_other_as_it_"
    "was": 20,
    "publish/test_documents.py::test_no_field_takes_a_value_of_any_type": 8,
    "publish/test_evaluation_file.py::test_a_broken_evaluation_breaks_its_schema": 4,
    "publish/test_publisher.py::test_a_damaged_file_found_while_the_manifest_is_made_anew_is_"
    "corrupt_until_published_again": 4,
    "publish/test_publisher.py::test_a_damaged_manifest_is_made_anew_from_the_files": 5,
    "store/test_influxdb_faults.py::test_a_fault_that_lasts_is_told_and_a_second_run_completes_"
    "what_is_stored": 2,
    "store/test_influxdb_faults.py::test_a_fault_that_passes_leaves_no_trace": 3,
    "store/test_influxdb_faults.py::test_a_writer_killed_at_any_request_leaves_what_the_same_"
    "write_completes": 1,
    "store/test_influxdb_fields.py::test_rows_are_those_of_the_pivot": 1,
    "store/test_influxdb_snapshot.py::test_answers_are_those_of_the_store": 2,
    "store/test_influxdb_snapshot.py::test_questions_about_more_symbols_than_one_request_may_"
    "name_are_split": 0,
    "store/test_influxdb_snapshot.py::test_requests_do_not_grow_with_the_series": 1,
    "store/test_influxdb_snapshot.py::test_spans_of_many_series_share_a_request": 0,
    "store/test_influxdb_snapshot.py::test_symbols_of_other_shards_are_not_sent": 0,
    "store/test_parquet.py::test_sigkill_at_any_moment_leaves_whole_months_and_no_confirmed_"
    "write_is_lost": 2,
}


def mark_slow(items: Iterable[pytest.Item]) -> None:
    """Mark the tests and cells that `CELLS` leaves to ``make test-slow``."""
    cells: dict[str, list[pytest.Item]] = {name: [] for name in CELLS}
    for item in items:
        name = item.nodeid.removeprefix(_ROOT).partition("[")[0]
        if name in cells and item.get_closest_marker("slow") is None:
            cells[name].append(item)
    for name, found in cells.items():
        kept = CELLS[name]
        stay = {place * len(found) // kept for place in range(kept)}
        for place, item in enumerate(found):
            if place not in stay:
                item.add_marker(pytest.mark.slow)
