"""What TensorBoard shows of a folder."""

import struct


def events(data):
    """The records of an event file: a length, its checksum, the event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    while data:
        (length,) = struct.unpack_from("<Q", data)
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def shown(folder):
    """Every scalar that is shown, as a list by step and name: a restart at a step hides that step and later ones."""
    from tensorboardX.proto.event_pb2 import SessionLog

    found = {}
    for file in sorted(folder.iterdir()):
        for event in events(file.read_bytes()):
            if event.session_log.status == SessionLog.START:
                found = {step: values for step, values in found.items() if step < event.step}
            for value in event.summary.value:
                found.setdefault(event.step, {}).setdefault(value.tag, []).append(value.simple_value)
    return found
