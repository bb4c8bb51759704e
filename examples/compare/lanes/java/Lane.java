import java.io.IOException;

/**
 * The Java lane: one method behind the protocol that src/protocol.rs describes.
 *
 * <p>Usage: {@code Lane METHOD}, one of control, streams, transfer_to, transfer_from, map_write, nio, zcio, zcio_each, zcio_channel, zcio_reads, zcio_copy. It moves bytes exactly as
 * a Java program would, counts them, and times itself from {@code go} on; it must never do anything else in that time.
 */
public final class Lane {

    private Lane() {}

    /** What the others are measured against. */
    private static String reference(String route) {
        return switch (route) {
            case "tcp_to_file", "tcp_to_file_durable" -> "transfer_from";
            case "relay", "mapped_scan", "mapped_sum", "map_close", "hand_over" -> "nio";
            default -> "transfer_to";
        };
    }

    /**
     * Greets and serves.
     *
     * @param arguments the method
     */
    public static void main(String[] arguments) {
        Job.serve(Job.runtime(), job -> {
            String method = arguments[0].equals("control") ? reference(job.route) : arguments[0];
            switch (job.route) {
                case "file_to_tcp", "file_to_tcp_connections" -> FileToTcp.serve(job, method);
                case "tcp_to_file", "tcp_to_file_durable" -> TcpToFile.serve(job, method);
                case "relay" -> Relay.serve(job, method);
                case "file_to_file", "file_to_file_xfs", "file_to_file_tmpfs", "file_to_pipe" ->
                        FileToFile.serve(job, method);
                case "small_files" -> Small.files(job, method);
                case "small_ranges" -> Small.ranges(job, method);
                case "mapped_scan", "mapped_sum" -> Mapping.scan(job, method);
                case "map_close" -> Mapping.close(job, method);
                case "random_read" -> Reading.random(job, method, false);
                case "random_read_direct" -> Reading.random(job, method, true);
                case "hand_over" -> Mapping.handOver(job, method);
                default -> throw new IOException("no such route: " + job.route);
            }
        });
    }
}
