import io.zcio.MappedRegion;
import io.zcio.Peer;
import io.zcio.Seal;
import io.zcio.SharedRegion;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import org.apache.arrow.flatbuf.Block;
import org.apache.arrow.flatbuf.Buffer;
import org.apache.arrow.flatbuf.Footer;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.RecordBatch;

/**
 * Reads an Arrow table where another process put it, and sends one back: the other side of {@code share_memory.py --listen}.
 *
 * <p>{@code java -cp zcio.jar:arrow-format.jar:flatbuffers-java.jar ShareArrow.java SOCKET}
 *
 * <p>Arrow's own reader copies a file into memory of its own; its format needs no reader. The footer says where each batch is, a
 * batch where each column, and a column is an array in the region. At the region's end is the file's length, in 8 bytes; what
 * lies between is {@code (i * 31 + i / 4096) mod 251} at place {@code i}, on the way back 255 less that. The table's columns are
 * {@code number}, which counts from 0, and {@code square}, which goes back negated.
 */
public final class ShareArrow {
    private static final int STEP = 1 << 28;
    private static final int MAGIC = "ARROW1".length();

    private ShareArrow() {}

    /**
     * Shares it.
     *
     * @param arguments path of the socket that the other side listens at
     * @throws IOException if the other side goes away, is another user's, or sends something else
     */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 1) {
            System.err.println("usage: ShareArrow SOCKET");
            System.exit(2);
        }
        // Before the other side knows of this one: this loads what a hand-over needs.
        Peer peer = Peer.sameUser();
        try (SocketChannel socket = SocketChannel.open(UnixDomainSocketAddress.of(Path.of(arguments[0])));
                SharedRegion received = SharedRegion.receive(socket, peer, Seal.SHRINK, Seal.GROW, Seal.WRITE)) {
            // For the other side's clock.
            socket.write(ByteBuffer.wrap(new byte[] {'!'}));
            MappedRegion from = received.region().order(ByteOrder.LITTLE_ENDIAN);
            long length = from.getLong(from.size() - Long.BYTES);
            long rows = table(from, length, false);
            bytes(from, length, false);
            System.out.printf("received %d bytes, %d rows, as they should be%n", from.size(), rows);
            try (SharedRegion answer = SharedRegion.create(from.size())) {
                MappedRegion to = answer.region().order(ByteOrder.LITTLE_ENDIAN);
                to.asByteBuffer(0, (int) length).put(from.asByteBuffer(0, (int) length));
                table(to, length, true);
                bytes(to, length, true);
                to.putLong(to.size() - Long.BYTES, length);
                answer.seal(Seal.SHRINK, Seal.GROW, Seal.WRITE);
                long start = System.nanoTime();
                answer.send(socket, peer);
                if (socket.read(ByteBuffer.allocate(1)) != 1) {
                    throw new IOException("the other side did not take it");
                }
                System.out.printf("handed over %d bytes in %.3f ms%n", from.size(), (System.nanoTime() - start) / 1e6);
            }
        }
    }

    /** Checks the table's columns in place, or negates the second one there; gives back the rows. */
    private static long table(MappedRegion region, long length, boolean negate) throws IOException {
        ByteBuffer file = region.asByteBuffer(0, (int) length).order(ByteOrder.LITTLE_ENDIAN);
        int behind = (int) length - MAGIC - Integer.BYTES;
        Footer footer = Footer.getRootAsFooter(part(file, behind - file.getInt(behind), file.getInt(behind)));
        long rows = 0;
        for (int index = 0; index < footer.recordBatchesLength(); index++) {
            Block block = footer.recordBatches(index);
            // Four bytes that say that a message follows, four of its length.
            int start = (int) block.offset() + 2 * Integer.BYTES;
            Message message = Message.getRootAsMessage(part(file, start, block.metaDataLength() - 2 * Integer.BYTES));
            RecordBatch batch = (RecordBatch) message.header(new RecordBatch());
            int body = (int) block.offset() + block.metaDataLength();
            // Each column has a map of its nulls, and its values.
            ByteBuffer numbers = values(file, body, batch.buffers(1));
            ByteBuffer squares = values(file, body, batch.buffers(3));
            for (int row = 0; row < batch.length(); row++, rows++) {
                long square = squares.getLong(row * Long.BYTES);
                if (numbers.getLong(row * Long.BYTES) != rows || square != rows * rows) {
                    throw new IOException("the table is wrong in row " + rows);
                }
                if (negate) {
                    squares.putLong(row * Long.BYTES, -square);
                }
            }
        }
        return rows;
    }

    private static ByteBuffer values(ByteBuffer file, int body, Buffer buffer) {
        return part(file, body + (int) buffer.offset(), (int) buffer.length());
    }

    private static ByteBuffer part(ByteBuffer file, int offset, int length) {
        return file.slice(offset, length).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Checks the bytes between the table and the last eight, or writes them for the way back. */
    private static void bytes(MappedRegion region, long length, boolean write) throws IOException {
        for (long first = length; first < region.size() - Long.BYTES; first += STEP) {
            int count = (int) Math.min(STEP, region.size() - Long.BYTES - first);
            ByteBuffer bytes = region.asByteBuffer(first, count);
            for (int i = 0; i < count; i++) {
                long place = first + i;
                int value = (int) ((place * 31 + place / 4096) % 251);
                if (write) {
                    bytes.put(i, (byte) (255 - value));
                } else if (bytes.get(i) != (byte) value) {
                    throw new IOException("another value at byte " + place);
                }
            }
        }
    }
}
