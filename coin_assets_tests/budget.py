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
    "test_webui.py::test_a_documented_line_materialises": 1,
    "test_webui.py::test_a_second_server_on_the_home_or_the_port_is_refused": 0,
    "orchestration/launcher/test_launcher_kills.py::test_runs_survive_the_server_and_the_next_"
    "launch_starts_another": 0,
    "orchestration/launcher/test_launcher.py::test_changed_code_is_imported_by_a_new_server": 0,
    # Laws that cheaper tests of the same file show at fewer places.
    "orchestration/assets/test_influxdb.py::test_assets_fail_loudly_and_the_next_run_repairs": 0,
    "orchestration/faults/test_crashes.py::test_some_crashes_heal": 0,
    "orchestration/faults/test_files.py::test_a_fault_of_a_file_stays_local_and_is_reported": 3,
    "orchestration/pruning/test_killed.py::test_the_next_prune_finishes_what_a_killed_one_began": 2,
    "orchestration/sensors/test_damage.py::test_a_store_that_does_not_answer_is_reported_and_no_"
    "incident_recovers": 0,
    "orchestration/sensors/test_damage.py::test_damage_behind_a_whole_footer_is_found_and_reported_"
    "as_well": 1,
    "orchestration/sensors/test_edges.py::test_an_edge_is_found_once_and_reported_once_and_holds_up_"
    "nothing": 0,
    "orchestration/sensors/test_flat_and_sparse.py::test_a_price_that_hardly_moves_is_published_"
    "explained_and_left_in_peace": 0,
    "orchestration/sensors/test_influxdb_requests.py::test_requests_at_a_boundary_do_not_grow_with_"
    "the_series": 0,
    "orchestration/sensors/test_influxdb_requests.py::test_requests_of_a_tick_do_not_grow_with_the_"
    "series": 0,
    "orchestration/sensors/test_local_faults.py::test_a_later_correct_answer_replaces_a_refusal_of_"
    "the_running_month": 0,
    "orchestration/sensors/test_local_faults.py::test_a_refusal_that_lasts_is_requested_again_by_"
    "live_runs_alone_every_six_hours": 0,
    "orchestration/sensors/test_publish_due.py::test_a_damaged_file_is_reported_at_once_and_"
    "published_again": 5,
    "orchestration/sensors/test_publish_due.py::test_a_lost_manifest_is_made_anew": 2,
    "orchestration/sensors/test_quality.py::test_the_verdict_of_the_gate_is_applied_without_"
    "anybody": 1,
    "orchestration/sensors/test_quality.py::test_when_nothing_else_is_due_all_series_are_evaluated_"
    "in_one_run_once": 0,
    "orchestration/sensors/test_refused_archives.py::test_a_newest_file_that_is_refused_or_missing_"
    "stops_no_other_symbol": 1,
    "orchestration/sensors/test_refused_archives.py::test_a_refused_month_in_the_middle_of_an_"
    "archive_holds_up_nothing": 0,
    "orchestration/sensors/test_refused_archives.py::test_a_refused_month_that_the_exchange_no_"
    "longer_serves_fails_alone": 0,
    "orchestration/sensors/test_training_events.py::test_nothing_is_requested_while_a_training_is_"
    "open": 1,
    "orchestration/jobs/test_training.py::test_what_stays_broken_fails_after_two_more_tries_and_at_"
    "once_for_a_person": 1,
    "orchestration/records/test_planned_events.py::test_800_planned_events_take_as_many_"
    "transactions_as_8": 0,
    "orchestration/test_failures.py::test_step_and_run_fail_with_the_cause_and_not_with_the_number_"
    "of_attempts": 2,
    "deploy/test_postgres_records.py::test_all_answers_are_those_of_dagsters_storage": 0,
    "pipeline/test_copy_store.py::test_death_before_or_after_any_write_costs_no_write_twice": 0,
    "pipeline/test_copy_store.py::test_a_killed_process_is_gone_on_from_where_it_was": 0,
    "pipeline/test_copy_store.py::test_what_only_the_target_has_is_removed_only_on_demand": 2,
    "pipeline/test_kill.py::test_kills_leave_no_trace_and_cost_at_most_a_page_each": 0,
    "pipeline/test_kill_many.py::test_kills_leave_no_trace_and_cost_at_most_a_page_a_symbol_"
    "each": 0,
    "pipeline/test_publish_archive.py::test_a_killed_run_leaves_what_the_next_one_completes_to_the_"
    "same_bytes": 0,
    "pipeline/test_fetch_ahead.py::test_closing_ends_all_threads_soon_and_keeps_the_pages": 1,
    "publish/test_publisher.py::test_two_processes_that_publish_different_series_lose_neither": 1,
    "planning/test_simulation.py::test_weeks_with_faults_and_outages_end_up_to_date": 1,
    "planning/test_planner.py::test_published_files_reach_the_newest_candle_within_three_ticks": 16,
    "shards/test_resharding.py::test_a_home_goes_through_numbers_of_shards_and_nothing_is_lost": 0,
    "domain/evaluation/test_promotion_histories.py::test_no_other_is_promoted_in_a_trial_period_of_"
    "daily_tests": 2,
    # Tables of many rows of one kind.
    "market/test_ccxt.py::test_the_first_candle_is_found_with_few_requests": 2,
    "market/test_ccxt.py::test_trouble_that_passes_is_waited_for": 15,
    "market/test_ccxt.py::test_trouble_that_stays_is_temporary_and_the_market_delivers_"
    "afterwards": 15,
    "market/test_ccxt.py::test_whatever_the_habits_of_an_exchange_all_its_candles_arrive": 6,
    "market/test_ccxt_exchanges.py::test_an_answer_is_never_taken_for_more_than_its_request": 28,
    "market/test_ccxt_exchanges.py::test_consecutive_windows_leave_no_hole": 90,
    "market/test_exchanges.py::test_every_true_candle_arrives_once": 26,
    "market/test_exchanges.py::test_the_edge_is_where_an_exchange_forgets": 4,
    "market/test_faults.py::test_a_fault_of_replies_does_no_lasting_harm": 17,
    "market/test_mirrors.py::test_what_a_mirror_says_of_absent_files_changes_no_candle": 8,
    "market/test_recent.py::test_ranges_of_any_length_are_complete": 10,
    "market/test_samples.py::test_a_month_that_differs_is_not_stored_as_the_archive_has_it": 6,
    "market/test_zipped.py::test_a_month_whose_zips_differ_is_refused_with_both_names_and_the_"
    "months_before_are_not": 3,
    "market/test_zipped.py::test_what_a_monthly_zip_lacks_comes_from_the_daily_zips": 6,
    "store/test_influxdb_faults.py::test_a_fault_that_lasts_is_told_and_a_second_run_completes_what_"
    "is_stored": 4,
    "store/test_influxdb_faults.py::test_a_fault_that_passes_leaves_no_trace": 5,
    "store/test_influxdb_faults.py::test_a_writer_killed_at_any_request_leaves_what_the_same_write_"
    "completes": 2,
    "store/test_influxdb_fields.py::test_rows_are_those_of_the_pivot": 2,
    "store/test_influxdb_snapshot.py::test_answers_are_those_of_the_store": 4,
    "store/test_influxdb_snapshot.py::test_questions_about_more_symbols_than_one_request_may_name_"
    "are_split": 0,
    "store/test_influxdb_snapshot.py::test_requests_do_not_grow_with_the_series": 2,
    "store/test_influxdb_snapshot.py::test_spans_of_many_series_share_a_request": 0,
    "store/test_influxdb_snapshot.py::test_symbols_of_other_shards_are_not_sent": 0,
    "store/test_parquet.py::test_sigkill_at_any_moment_leaves_whole_months_and_no_confirmed_write_"
    "is_lost": 5,
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
