"""Where a command consumer goes on."""

from datetime import UTC, datetime

from node_agent.adapters.nats.resume import Resume

BIRTH = datetime(2030, 1, 1, tzinfo=UTC)


def test_it_begins_at_the_beginning() -> None:
    assert Resume().at() is None


def test_it_goes_on_at_the_first_open_delivery() -> None:
    resume = Resume()
    resume.reads(BIRTH)
    for sequence in (3, 7, 9):
        resume.delivered(sequence)
    resume.acknowledged(3)
    resume.acknowledged(9)
    assert resume.at() == 7
    resume.acknowledged(7)
    assert resume.at() == 10


def test_the_same_stream_keeps_its_place_and_another_has_none() -> None:
    resume = Resume()
    resume.reads(BIRTH)
    resume.delivered(3)
    resume.reads(BIRTH)
    assert resume.at() == 3
    resume.reads(BIRTH.replace(year=2031))
    assert resume.at() is None
