# SPDX-License-Identifier: Apache-2.0
"""Clients subscribe: the services of subscriptions and monitored items (Part 4, 5.13 and 5.14).

Items watch attributes; an item of another session's subscription is unknown to a session. There are no events to
subscribe to.
"""

from __future__ import annotations

from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.uaprotocol_auto import DataChangeFilter  # what is decoded; `ua` has another one by that name

from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.attributes import Attributes, several
from isthmus.outputs.opcua.items import LARGEST_QUEUE, Item, Mode, Terms, Trigger
from isthmus.outputs.opcua.library import Call, Service, Visit
from isthmus.outputs.opcua.space import Space, TagVariable
from isthmus.outputs.opcua.subscription import (
    BAD_SUBSCRIPTION_ID,
    GOOD_SUBSCRIPTION_TRANSFERRED,
    Pace,
    Publishing,
    Subscription,
)
from isthmus.plant.revision import TagSetting

LONGEST_LIFE: Final = 3_600_000.0
"""ms without a sign of the client after which its subscription ends."""
FASTEST, SLOWEST = 50.0, LONGEST_LIFE / 3
"""ms between two messages of a subscription; it lives three of them at least."""
SLOWEST_SAMPLING: Final = 86_400_000.0
"""ms."""
SUBSCRIPTIONS: Final = 100
"""Of one session."""
ITEMS: Final = 100_000
"""Of one session."""
PLACES: Final = 200_000
"""In the queues of all items of one session; beyond it an item gets one place."""


class Subscribing:
    """The services of subscriptions."""

    def __init__(self, attributes: Attributes, space: Space) -> None:
        self._attributes, self._space = attributes, space
        self._subscriptions: dict[int, Subscription] = {}
        self._numbers = 0

    def services(self) -> dict[int, Service]:
        """By the number of the request's encoding."""
        ids = ua.ObjectIds
        return {
            ids.CreateSubscriptionRequest_Encoding_DefaultBinary: Service(
                ua.CreateSubscriptionParameters, self._create
            ),
            ids.ModifySubscriptionRequest_Encoding_DefaultBinary: Service(
                ua.ModifySubscriptionParameters, self._modify
            ),
            ids.SetPublishingModeRequest_Encoding_DefaultBinary: Service(ua.SetPublishingModeParameters, self._enable),
            ids.DeleteSubscriptionsRequest_Encoding_DefaultBinary: Service(
                ua.DeleteSubscriptionsParameters, self._delete
            ),
            ids.TransferSubscriptionsRequest_Encoding_DefaultBinary: Service(
                ua.TransferSubscriptionsParameters, self._transfer
            ),
            ids.PublishRequest_Encoding_DefaultBinary: Service(ua.PublishParameters, self._publish),
            ids.RepublishRequest_Encoding_DefaultBinary: Service(ua.RepublishParameters, self._republish),
            ids.CreateMonitoredItemsRequest_Encoding_DefaultBinary: Service(
                ua.CreateMonitoredItemsParameters, self._create_items
            ),
            ids.ModifyMonitoredItemsRequest_Encoding_DefaultBinary: Service(
                ua.ModifyMonitoredItemsParameters, self._modify_items
            ),
            ids.SetMonitoringModeRequest_Encoding_DefaultBinary: Service(
                ua.SetMonitoringModeParameters, self._set_mode
            ),
            ids.SetTriggeringRequest_Encoding_DefaultBinary: Service(ua.SetTriggeringParameters, self._link),
            ids.DeleteMonitoredItemsRequest_Encoding_DefaultBinary: Service(
                ua.DeleteMonitoredItemsParameters, self._delete_items
            ),
        }

    def close(self) -> None:
        """No more of any subscription, also of those without a session."""
        for subscription in list(self._subscriptions.values()):
            subscription.stop()

    def _of(self, call: Call) -> Subscription:
        subscription = call.visit.publishing.subscriptions.get(call.parameters.SubscriptionId)
        if subscription is None:
            raise ServiceError(BAD_SUBSCRIPTION_ID)
        subscription.touch()
        return subscription

    def _gone(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription.number, None)

    def _left(self) -> None:
        """Of the subscriptions without a session only the newest stay: as many as one session may have."""
        alone = [one for one in self._subscriptions.values() if one.publishing.alone]
        places = sum(_places(one) for one in alone)
        while places > PLACES or len(alone) > SUBSCRIPTIONS:
            oldest = alone.pop(0)
            places -= _places(oldest)
            oldest.stop()

    async def _create(self, call: Call) -> None:
        publishing = call.visit.publishing
        if len(publishing.subscriptions) >= SUBSCRIPTIONS:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        pace, self._numbers = _pace(call.parameters), self._numbers + 1
        subscription = Subscription(self._numbers, publishing, pace, call.parameters.PublishingEnabled, self._gone)
        self._subscriptions[subscription.number] = subscription
        publishing.owner, publishing.left = _owner(call.visit), self._left
        publishing.join(subscription)
        subscription.start()
        call.answer(wire.handle(subscription.number) + _revised(pace))

    async def _modify(self, call: Call) -> None:
        subscription, pace = self._of(call), _pace(call.parameters)
        subscription.repace(pace)
        call.answer(_revised(pace))

    async def _enable(self, call: Call) -> None:
        results = []
        for number in several(call.parameters.SubscriptionIds):
            subscription = call.visit.publishing.subscriptions.get(number)
            if subscription is not None:
                subscription.enabled = call.parameters.PublishingEnabled
            results.append(0 if subscription is not None else BAD_SUBSCRIPTION_ID)
        call.answer(wire.codes(results) + wire.NO_DIAGNOSTICS)

    async def _delete(self, call: Call) -> None:
        results = []
        for number in several(call.parameters.SubscriptionIds):
            subscription = call.visit.publishing.subscriptions.get(number)
            if subscription is not None:
                subscription.stop()
            results.append(0 if subscription is not None else BAD_SUBSCRIPTION_ID)
        call.answer(wire.codes(results) + wire.NO_DIAGNOSTICS)

    async def _transfer(self, call: Call) -> None:
        """From another session of the same client, which lost that one."""
        response = ua.TransferSubscriptionsResponse()
        for number in several(call.parameters.SubscriptionIds):
            subscription = self._subscriptions.get(number)
            result = ua.TransferResult()
            if subscription is None or subscription.publishing.owner != _owner(call.visit):
                result.StatusCode = ua.StatusCode(BAD_SUBSCRIPTION_ID)
            elif not _has_room(call.visit.publishing, subscription):
                result.StatusCode = ua.StatusCode(ua.StatusCodes.BadTooManySubscriptions)
            else:
                _move(subscription, call.visit.publishing)
                result.AvailableSequenceNumbers = list(subscription.sent)
                if call.parameters.SendInitialValues:
                    _again(subscription)
            response.Parameters.Results.append(result)
        call.reply(response)

    async def _publish(self, call: Call) -> None:
        acknowledged = call.parameters.SubscriptionAcknowledgements or ()
        publishing = call.visit.publishing
        call.results = publishing.acknowledge((one.SubscriptionId, one.SequenceNumber) for one in acknowledged)
        publishing.ask(call)

    async def _republish(self, call: Call) -> None:
        message = self._of(call).sent.get(call.parameters.RetransmitSequenceNumber)
        if message is None:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        call.answer(message)

    async def _create_items(self, call: Call) -> None:
        subscription, stamps = self._of(call), _stamps(call)
        response = ua.CreateMonitoredItemsResponse()
        for one in several(call.parameters.ItemsToCreate):
            try:
                response.Results.append(self._created(subscription, one, stamps))
            except ServiceError as error:
                response.Results.append(ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(error.code)))
        call.reply(response)

    def _created(
        self, subscription: Subscription, asked: ua.MonitoredItemCreateRequest, stamps: int
    ) -> ua.MonitoredItemCreateResult:
        publishing = subscription.publishing
        if sum(len(one.items) for one in publishing.subscriptions.values()) >= ITEMS:
            raise ServiceError(ua.StatusCodes.BadTooManyMonitoredItems)
        watched = asked.ItemToMonitor
        if watched.AttributeId == ua.AttributeIds.EventNotifier:
            raise ServiceError(ua.StatusCodes.BadNotSupported)
        terms = self._terms(asked.RequestedParameters, watched, stamps, subscription, 0)
        variable, done = self._attributes.variable(watched)
        self._numbers += 1
        item = Item(self._numbers, variable, subscription, watched, terms, Mode(asked.MonitoringMode), done)
        subscription.items[item.number] = item
        publishing.queued += terms.size
        return ua.MonitoredItemCreateResult(
            MonitoredItemId=item.number, RevisedSamplingInterval=terms.sampling / 1e6, RevisedQueueSize=terms.size
        )

    def _terms(
        self, asked: ua.MonitoringParameters, watched: ua.ReadValueId, stamps: int, of: Subscription, before: int
    ) -> Terms:
        """What a client asks for, as far as it can have it; `before` are the places that its item has already."""
        setting = self._setting(watched)
        trigger, deadband = _filter(asked.Filter, setting, is_value=watched.AttributeId == ua.AttributeIds.Value)
        sampling = of.pace.interval if not asked.SamplingInterval >= 0 else asked.SamplingInterval
        size = min(max(asked.QueueSize, 1), LARGEST_QUEUE)
        size = size if of.publishing.queued - before + size <= PLACES else 1
        return Terms(
            asked.ClientHandle, size, int(min(sampling, SLOWEST_SAMPLING) * 1e6), asked.DiscardOldest,
            trigger, deadband, stamps,
        )  # fmt: skip

    def _setting(self, watched: ua.ReadValueId) -> TagSetting | None:
        variable = self._space.by_node.get(watched.NodeId)
        return variable.setting if isinstance(variable, TagVariable) else None

    async def _modify_items(self, call: Call) -> None:
        subscription, stamps = self._of(call), _stamps(call)
        response = ua.ModifyMonitoredItemsResponse()
        for one in several(call.parameters.ItemsToModify):
            result = ua.MonitoredItemModifyResult()
            item = subscription.items.get(one.MonitoredItemId)
            try:
                if item is None:
                    raise ServiceError(ua.StatusCodes.BadMonitoredItemIdInvalid)
                before = item.terms.size
                terms = self._terms(one.RequestedParameters, item.watched, stamps, subscription, before)
                item.modify(terms)
                subscription.publishing.queued += terms.size - before
                result.RevisedSamplingInterval, result.RevisedQueueSize = terms.sampling / 1e6, terms.size
            except ServiceError as error:
                result.StatusCode = ua.StatusCode(error.code)
            response.Results.append(result)
        call.reply(response)

    async def _set_mode(self, call: Call) -> None:
        subscription, mode = self._of(call), Mode(call.parameters.MonitoringMode)
        results = []
        for number in several(call.parameters.MonitoredItemIds):
            item = subscription.items.get(number)
            if item is not None:
                item.set(mode)
            results.append(0 if item is not None else ua.StatusCodes.BadMonitoredItemIdInvalid)
        call.answer(wire.codes(results) + wire.NO_DIAGNOSTICS)

    async def _link(self, call: Call) -> None:
        """Part 4, 5.13.5: with the triggering item those linked to it are reported."""
        subscription, asked = self._of(call), call.parameters
        if not asked.LinksToAdd and not asked.LinksToRemove:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        item = subscription.items.get(asked.TriggeringItemId)
        if item is None:
            raise ServiceError(ua.StatusCodes.BadMonitoredItemIdInvalid)
        removed = [_linked(item, subscription.items.get(n), add=False) for n in asked.LinksToRemove or ()]
        added = [_linked(item, subscription.items.get(n), add=True) for n in asked.LinksToAdd or ()]
        subscription.triggers[item] = None
        none = wire.NO_DIAGNOSTICS
        call.answer(wire.codes(added) + none + wire.codes(removed) + none)

    async def _delete_items(self, call: Call) -> None:
        subscription = self._of(call)
        results = []
        for number in several(call.parameters.MonitoredItemIds):
            item = subscription.items.pop(number, None)
            if item is not None:
                subscription.publishing.queued -= item.terms.size
                item.close()
            results.append(0 if item is not None else ua.StatusCodes.BadMonitoredItemIdInvalid)
        call.answer(wire.codes(results) + wire.NO_DIAGNOSTICS)


def _linked(item: Item, other: Item | None, *, add: bool) -> int:
    if other is None or (not add and other not in item.links):
        return int(ua.StatusCodes.BadMonitoredItemIdInvalid)
    if add:
        item.links[other] = None
    else:
        del item.links[other]
    return 0


def _has_room(publishing: Publishing, subscription: Subscription) -> bool:
    """Whether a session may have one of another session too: together they are no more than it may make itself."""
    own = publishing.subscriptions
    if subscription.number in own:
        return True
    items = len(subscription.items) + sum(len(one.items) for one in own.values())
    places = publishing.queued + _places(subscription)
    return len(own) < SUBSCRIPTIONS and items <= ITEMS and places <= PLACES + ITEMS


def _move(subscription: Subscription, publishing: Publishing) -> None:
    """To another session, which is told; so is the one it leaves."""
    before = subscription.publishing
    if before is publishing:
        return
    before.leave(subscription)
    before.ended(subscription, GOOD_SUBSCRIPTION_TRANSFERRED)
    subscription.publishing, publishing.owner, publishing.left = publishing, before.owner, before.left
    publishing.join(subscription)
    publishing.queued += _places(subscription)
    subscription.touch()


def _places(subscription: Subscription) -> int:
    """In the queues of its items."""
    return sum(item.terms.size for item in subscription.items.values())


def _again(subscription: Subscription) -> None:
    """Tells once more what every item's value is."""
    for item in subscription.items.values():
        if item.mode is Mode.REPORTING and not item.queue:
            item.set(Mode.DISABLED)
            item.set(Mode.REPORTING)


def _owner(visit: Visit) -> tuple[Any, ...]:
    return (visit.user.name, visit.peer)


def _stamps(call: Call) -> int:
    stamps = int(call.parameters.TimestampsToReturn)
    if not wire.SOURCE <= stamps <= wire.NEITHER:
        raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
    return stamps


def _pace(asked: Any) -> Pace:
    """What a client asks for, within bounds (Part 4, 5.14.2): it lives three keep-alives at least."""
    interval = asked.RequestedPublishingInterval
    interval = min(max(interval, FASTEST), SLOWEST) if interval == interval else FASTEST
    most = max(int(LONGEST_LIFE / interval), 3)
    keep_alive = min(max(asked.RequestedMaxKeepAliveCount, 1) if asked.RequestedMaxKeepAliveCount else 10, most // 3)
    lifetime = min(max(asked.RequestedLifetimeCount, 3 * keep_alive), most)
    return Pace(interval, max(keep_alive, 1), lifetime, asked.MaxNotificationsPerPublish)


def _revised(pace: Pace) -> bytes:
    return wire.double(pace.interval) + wire.handle(pace.lifetime) + wire.handle(pace.keep_alive)


def _filter(asked: Any, setting: TagSetting | None, *, is_value: bool) -> tuple[Trigger, float]:
    """Trigger and absolute deadband of a filter (Part 4, 7.22.2; percent: Part 8, 6.2)."""
    if asked is None or (isinstance(asked, ua.ExtensionObject) and asked.TypeId.is_null()):
        return Trigger.STATUS_VALUE, 0.0
    if not isinstance(asked, DataChangeFilter):
        raise ServiceError(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
    if not is_value:
        raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)
    trigger, kind, band = Trigger(int(asked.Trigger)), asked.DeadbandType, asked.DeadbandValue
    if kind == ua.DeadbandType.None_:
        return trigger, 0.0
    if setting is None or setting.tag.type in ("text", "boolean"):
        raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)
    if not band >= 0:
        raise ServiceError(ua.StatusCodes.BadDeadbandFilterInvalid)
    if kind == ua.DeadbandType.Absolute:
        return trigger, band
    if kind != ua.DeadbandType.Percent or setting.range is None or band > 100:
        raise ServiceError(ua.StatusCodes.BadDeadbandFilterInvalid)
    return trigger, (setting.range[1] - setting.range[0]) * band / 100
