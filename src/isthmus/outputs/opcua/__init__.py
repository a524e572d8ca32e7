# SPDX-License-Identifier: Apache-2.0
"""The kind `opcua`: the plant on an OPC UA server of our own."""

from __future__ import annotations

from typing import Final

from isthmus.outputs.contract import Accepts, OutputKind, Surroundings
from isthmus.outputs.opcua.spec import OpcUaServerSpec


def _connect(spec: OpcUaServerSpec, surroundings: Surroundings) -> Accepts:
    from isthmus.outputs.opcua.server import OpcUaServer  # asyncua takes most of a second to import

    return OpcUaServer(spec, surroundings)


_EXAMPLE: Final = """\
outputs:
  opcua:
    kind: opcua
    listen: 127.0.0.1:4840
    users: !secret opcua-users
"""

_ABOUT: Final = """\
Any OPC UA client can point at it. Below `Objects` lies the plant, by path: folders for areas and lines, an object for
each asset, a variable for each tag.

- **Types.** Each asset type of the plant file is an ObjectType below BaseObjectType, with its version in its name:
  `reactor@2`. It declares the tags of its assets, mandatory where all of them have one, else optional. An asset within
  another one is its component.
- **Variables.** A number with unit and range is an AnalogUnitRangeType (else AnalogUnitType, AnalogItemType or
  BaseDataVariableType) with EURange and EngineeringUnits: the UNECE code, the unit as it is printed, and the UCUM code
  as its description. An enumeration is a MultiStateValueDiscreteType with EnumValues and ValueAsText. Data types are
  Double, Int64, UInt64, Boolean and String.
- **Values** have the device's time as source time (to 100 ns), the time they reached Isthmus as server time, and the
  StatusCode as the device gave it. A bad one has no value, as the standard wants it. A tag that had no sample yet is
  BadWaitingForInitialData.
- **NodeIds** are texts and stay what they are over restarts and revisions: `nsu=urn:isthmus:acme/lyon;s=` and the path,
  such as `acme/lyon/mixing/line-1/reactor-1/temperature`; types are `s=type:reactor@2`.

Clients read, browse and subscribe, with queues (1,000 values of an item at most), overflow bits, deadbands (percent
where there is a range), sampling intervals and triggering. Sampling goes by the values' own time: of each interval one
value is told, and the last one always. There are no events, no methods, and nothing can be written: a write is answered
BadNotWritable.

A client that was cut off finds its subscriptions: its session goes on, or once its time is over another session of the
client takes them over (TransferSubscriptions), as long as their lifetime lasts, an hour at most. What their queues had
no room for is missing, is told by the overflow bit, and is in the history.

Messages that went down with a connection are kept until the client acknowledges them, the newest 1,000 (8 MiB at most):
a client that asks for them by Republish before it publishes again, as Part 4, 6.7 wants it, misses nothing. Not every
client does. node-opcua (2.186.4) publishes at once, asks for some of them only, and may miss a few values around a cut
without a sign of it: they too are in the history. Cut off once more while it is coming back, it may never come back.

**History** is read with HistoryRead: raw with bounds, processed with all aggregates of Part 13 (AnnotationCount is
missing), and at given times; 10,000 values of a node and 50,000 in all come in one answer, the rest by continuation
points. It has what the recorder has on disk, and what was delivered in the last three minutes. Whatever a client missed
while it was away, it finds there: a server has no far end that stores, so `delivered` means that the variables have the
value.

Samples that come late, or from history, change no variable that has a newer value; they are in the history.

When a new revision changes what it shows, the server opens anew within seconds: clients lose their connection, and
those that reconnect by themselves, as node-opcua does, go on. Nodes that are gone are BadNodeIdUnknown.

Who gets in:

- By default only this machine, over an encrypted channel, with a name and a password. `users` is one secret with a line
  `name:password` for each: `ISTHMUS_SECRET_OPCUA_USERS`, or the file `secrets/opcua-users` in the data directory.
- A client's certificate must be trusted: it, or the authority that issued it, lies in `pki/clients/trusted` in the data
  directory. That of an unknown client is put into `pki/clients/rejected`: move it over, and it gets in.
- The server's certificate is `pki/server-<output>.der`, made at the first start. Put your own there, and its key beside
  it (`.key.pem`), to replace it.
- Other machines reach it when `listen` has an address of theirs, or `0.0.0.0:4840`. That takes `users`, and neither
  `anonymous` nor the policy `None`.
- Passwords are never taken in the clear, whatever the policy.

To try it on this machine, without certificates:

```yaml
outputs:
  opcua:
    kind: opcua
    security: ["None"]
    anonymous: true
```

```
uals -u opc.tcp://127.0.0.1:4840 -n i=85 -d 3
uaread -u opc.tcp://127.0.0.1:4840 -n "ns=2;s=acme/lyon/mixing/line-1/reactor-1/temperature"
```

`uals` and `uaread` come with asyncua, which is installed with Isthmus. UaExpert takes the server's address as it is,
`opc.tcp://127.0.0.1:4840`; with a policy, connect once, move its certificate from `rejected` to `trusted`, and connect
again. (Tested against node-opcua's and asyncua's clients, and Isthmus' own.) With node-opcua:

```js
const client = OPCUAClient.create({ endpointMustExist: false });
await client.connect("opc.tcp://127.0.0.1:4840");
const session = await client.createSession();
const value = await session.read({ nodeId: "ns=2;s=acme/lyon/mixing/line-1/reactor-1/temperature" });
```

A client is bounded: one that does not read what it is sent gets nothing more, and is hung up on after a minute; its
queues overflow, and say so. Connections on which nobody signs in are closed after ten seconds, and when there are more
than 32 of them the oldest goes.
"""

KIND: Final = OutputKind(
    name="opcua",
    title="OPC UA server",
    spec=OpcUaServerSpec,
    connect=_connect,
    example=_EXAMPLE,
    secrets=("users",),
    about=_ABOUT,
    tested=("node-opcua's client", "asyncua's client and programs", "our own kind `opcua`"),
)
