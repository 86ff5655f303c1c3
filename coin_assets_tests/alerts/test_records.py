"""Incidents as JSON keep the names that databases of earlier releases have."""

import json

from coin_assets.alerts.incidents import Incident
from coin_assets.alerts.records import incident_text, parse_incident
from coin_assets_tests.alerts.cycles import BTC, NOW, soft, stale


def test_stored_names_stay() -> None:
    incident = Incident(stale(BTC), NOW, NOW, NOW, NOW, sent_condition=soft(BTC))
    text = incident_text(incident)
    names = {"condition", "since", "opened_at", "alerted_at", "last_sent", "told", "repeats"}
    assert json.loads(text).keys() == names | {"escalated"}
    assert json.loads(text)["told"]["kind"] == "stale"
    assert parse_incident(text) == incident


def test_an_incident_without_a_message_comes_back() -> None:
    incident = Incident(stale(BTC), NOW, NOW)
    assert json.loads(incident_text(incident))["told"] is None
    assert parse_incident(incident_text(incident)) == incident
