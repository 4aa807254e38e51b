import struct

from kohya_trainer.tfevents import EventFolder, EventReader, EventWriter, crc32c, frame

TAGS = {"loss/current": 0.5, "loss/average": 0.25, "lr/unet": 1e-4}


def only_file(folder):
    return next(folder.glob("events.out.tfevents.*"))


def written(folder, steps):
    writer = EventWriter(folder)
    for step in range(1, steps + 1):
        writer.add(step, TAGS)
    writer.close()
    return only_file(folder)


def test_the_checksum_is_crc32c():
    """The check value of RFC 3720, appendix B.4: 32 bytes of zero."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"123456789") == 0xE3069283


def test_scalars_come_back_in_order(tmp_path):
    scalars = list(EventReader(written(tmp_path, 200)).new_scalars())

    assert [s.step for s in scalars[::3]] == list(range(1, 201))
    assert [s.tag for s in scalars[:3]] == list(TAGS)
    assert scalars[0].value == 0.5
    assert scalars[0].time > 1.7e9


def test_a_reader_gives_only_what_is_new(tmp_path):
    writer = EventWriter(tmp_path)
    reader = EventReader(only_file(tmp_path))
    writer.add(1, TAGS)

    assert len(list(reader.new_scalars())) == 3
    assert list(reader.new_scalars()) == []
    writer.add(2, TAGS)
    assert [s.step for s in reader.new_scalars()] == [2, 2, 2]


def test_a_torn_last_record_waits_for_its_rest(tmp_path):
    path = written(tmp_path, 3)
    whole = path.read_bytes()
    for cut in range(1, 60):
        path.write_bytes(whole[:-cut])
        reader = EventReader(path)

        before = list(reader.new_scalars())
        path.write_bytes(whole)
        after = list(reader.new_scalars())

        assert 0 < len(before) < 9
        assert len(before) + len(after) == 9


def test_a_record_whose_checksum_is_wrong_is_not_believed(tmp_path):
    path = written(tmp_path, 2)
    data = bytearray(path.read_bytes())
    data[-10] ^= 0xFF
    path.write_bytes(data)

    assert len(list(EventReader(path).new_scalars())) == 5


def test_other_kinds_of_values_are_passed_over(tmp_path):
    """A histogram (field 5 of a value) beside a scalar in one event."""
    histogram = b"\x0a\x01h" + b"\x2a\x02\x08\x01"
    scalar = b"\x0a\x01s" + b"\x15" + struct.pack("<f", 2.0)
    summary = b"".join(b"\x0a" + bytes([len(v)]) + v for v in (histogram, scalar))
    event = b"\x09" + struct.pack("<d", 1.0) + b"\x10\xac\x02" + b"\x2a" + bytes([len(summary)])
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(frame(event + summary))

    (only,) = EventReader(path).new_scalars()

    assert (only.tag, only.step, only.value) == ("s", 300, 2.0)


def test_a_folder_is_read_but_not_what_was_there_before(tmp_path):
    written(tmp_path / "old", 2)
    folder = EventFolder(tmp_path)
    written(tmp_path / "run" / "network_train", 1)

    assert len(folder.new_scalars()) == 3
    assert folder.new_scalars() == []
