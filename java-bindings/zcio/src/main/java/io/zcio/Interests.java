package io.zcio;

import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a {@link Stepper} waits for, in a selector's terms. */
final class Interests {
    private Interests() {}

    /** From the native code's numbers: for each wait an end, a descriptor, and the events of poll(2). */
    static List<Step.Interest> of(int[] found, End[] ends) {
        Map<SelectableChannel, Integer> operations = new LinkedHashMap<>();
        for (int i = 0; i < found.length; i += 3) {
            SelectableChannel channel = (SelectableChannel) ends[found[i]].given;
            // No events at all stand for the kernel's notification of a zero-copy send, which ends any wait of a selector.
            int operation = found[i + 2] == 4 ? SelectionKey.OP_WRITE : SelectionKey.OP_READ;
            operations.merge(channel, operation, (before, now) -> before | now);
        }
        List<Step.Interest> interests = new ArrayList<>();
        operations.forEach((channel, operation) -> interests.add(new Step.Interest(channel, operation)));
        return List.copyOf(interests);
    }

    /** See {@link Stepper#register}. */
    static void register(Selector selector, Step step, End[] ends) throws ClosedChannelException {
        Map<SelectableChannel, Integer> wanted = new HashMap<>();
        if (step instanceof Step.Blocked blocked) {
            for (Step.Interest interest : blocked.interests()) {
                wanted.merge(interest.channel(), interest.operations(), (one, other) -> one | other);
            }
        }
        for (End end : ends) {
            if (end.given instanceof SelectableChannel channel) {
                set(channel, selector, wanted.getOrDefault(channel, 0));
            }
        }
    }

    /** Has a selector look for these operations of a channel, which may be none. */
    private static void set(SelectableChannel channel, Selector selector, int operations) throws ClosedChannelException {
        SelectionKey key = channel.keyFor(selector);
        try {
            if (key != null) {
                key.interestOps(operations);
            } else if (operations != 0) {
                channel.register(selector, operations);
            }
        } catch (CancelledKeyException e) {
            // A channel that is closed keeps its key until the selector has dropped it.
            if (channel.isOpen()) {
                throw e;
            } else if (operations != 0) {
                throw new ClosedChannelException();
            }
        }
    }
}
