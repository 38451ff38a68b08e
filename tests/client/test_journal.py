"""What a client keeps, and what it sends again: on a new line, and to a server that knows nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from client.audio import AudioFormat
from client.journal import Journal
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

MONO = AudioFormat(codec=audio_pb2.CODEC_MULAW, rate=8000, channels=1)


def sound(journal: Journal, milliseconds: int) -> None:
    """Add audio of which every millisecond has its own number, so that it can be told what was sent."""
    begin = int(journal.end_ms)
    data = b"".join(bytes([(begin + ms) % 251]) * 8 for ms in range(milliseconds))
    audio = audio_pb2.Audio(sequence=begin // milliseconds, offset_ms=begin, data=data)
    journal.add(pb.StreamCallRequest(audio=audio), begin + milliseconds)


def control(journal: Journal, **fields: object) -> None:
    journal.add(pb.StreamCallRequest(control=audio_pb2.Control(**fields)))  # type: ignore[arg-type]


def sent(journal: Journal) -> list[pb.StreamCallRequest]:
    messages = []
    while (message := journal.next()) is not None:
        messages.append(message)
    return messages


def kinds(messages: list[pb.StreamCallRequest]) -> list[str]:
    return [m.control.WhichOneof("control") or "" if m.HasField("control") else str(m.audio.offset_ms)
            for m in messages]  # fmt: skip


def test_a_new_line_goes_on_behind_what_was_received_and_keeps_what_is_not_safe() -> None:
    journal = Journal()
    for _ in range(5):
        sound(journal, 100)
    assert len(sent(journal)) == 5
    journal.acknowledge(100)
    journal.resume_at(300)
    assert kinds(sent(journal)) == ["300", "400"]
    journal.resume_at(200)
    assert kinds(sent(journal)) == ["200", "300", "400"], "what is not safe is kept, whoever has received it"
    assert not journal.safe
    journal.acknowledge(490)
    assert journal.safe


def test_a_control_at_the_end_of_what_was_received_is_sent_again_if_that_changes_nothing() -> None:
    journal = Journal()
    sound(journal, 100)
    control(journal, pause=audio_pb2.Pause())
    control(journal, update_config=audio_pb2.UpdateConfig(swap_roles=True))
    sound(journal, 100)
    assert kinds(sent(journal)) == ["0", "pause", "update_config", "100"]
    for _ in range(2):  # also where the line breaks again before anything has gone out
        journal.resume_at(100)
    assert kinds(sent(journal)) == ["pause", "100"]
    fresh = Journal()
    sound(fresh, 100)
    control(fresh, update_config=audio_pb2.UpdateConfig(swap_roles=True))
    assert fresh.next() is not None
    fresh.resume_at(100)
    assert kinds(sent(fresh)) == ["update_config"], "no line has had it"


def test_a_new_call_begins_at_the_first_sample_that_is_not_safe() -> None:
    journal = Journal()
    sound(journal, 100)
    control(journal, update_config=audio_pb2.UpdateConfig(language_hint="en", swap_roles=True))
    sound(journal, 100)
    control(journal, pause=audio_pb2.Pause(reason=audio_pb2.PAUSE_REASON_PCI))
    sound(journal, 100)
    sent(journal)
    journal.acknowledge(230)
    journal.begin_anew(MONO)
    assert journal.origin_ms == 230
    assert (journal.in_force.language, journal.in_force.swapped) == ("en", True)
    opening, rest = sent(journal)
    assert opening.control.pause.reason == audio_pb2.PAUSE_REASON_PCI
    assert (rest.audio.sequence, rest.audio.offset_ms, len(rest.audio.data)) == (0, 0, 70 * 8)
    assert rest.audio.data[0] == 230
    journal.resume_at(0)
    assert kinds(sent(journal)) == ["pause", "0"], "the new call's line broke before it had anything"
    sound(journal, 100)
    (later,) = sent(journal)
    assert (later.audio.sequence, later.audio.offset_ms) == (1, 70)
    journal.acknowledge(70)
    journal.begin_anew(MONO)
    assert journal.origin_ms == 300, "a third part counts from the beginning of the conversation too"
    assert kinds(sent(journal)) == ["pause", "0"]


@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1), st.booleans()), min_size=1, max_size=30),
    st.integers(10, 90),
)
def test_however_often_servers_die_every_millisecond_behind_the_safe_ones_is_sent(
    events: list[tuple[int, float, bool]], size: int
) -> None:
    """What each call got is one run of audio without gap; it begins where the call before was safe."""
    journal, got, origin = Journal(), bytearray(), 0
    for count, share, dies in events:
        for _ in range(count % 4 + 1):
            sound(journal, size)
        for message in sent(journal):
            at = message.audio.offset_ms * 8
            assert at <= len(got), "no gap"
            got[at:] = message.audio.data
        assert got[::8] == bytes(ms % 251 for ms in range(origin, int(journal.end_ms)))
        safe = int(share * len(got) / 8)
        journal.acknowledge(safe)
        if dies:
            before = journal.origin_ms
            journal.begin_anew(MONO)
            assert journal.origin_ms >= before
            origin, got = int(journal.origin_ms), bytearray()
        else:
            journal.resume_at(int((share + 1) / 2 * len(got) / 8))
