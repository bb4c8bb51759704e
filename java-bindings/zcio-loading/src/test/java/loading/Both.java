package loading;

import io.zcio.Zcio;

/** A program whose zcio was moved, and another one that was not, in one class loader. */
final class Both {
    private Both() {}

    public static void main(String[] arguments) throws Exception {
        System.out.println(Program.use());
        System.out.println(Zcio.isAvailable());
    }
}
