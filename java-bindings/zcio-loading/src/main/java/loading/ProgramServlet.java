package loading;

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;

/** The same in a web application: one answer is what {@link Program} says, run in a virtual thread where there are any. */
public final class ProgramServlet extends HttpServlet {
    private static final long serialVersionUID = 1;

    /** For the container. */
    public ProgramServlet() {}

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        StringBuilder said = new StringBuilder();
        try {
            said.append(Program.use());
            Runnable again = () -> {
                try {
                    said.append('\n').append(Program.use());
                } catch (Exception e) {
                    said.append('\n').append(e);
                }
            };
            if (Runtime.version().feature() >= 21) {
                Thread thread = (Thread) Thread.class.getMethod("startVirtualThread", Runnable.class).invoke(null, again);
                thread.join();
            } else {
                again.run();
            }
        } catch (IllegalAccessException | InvocationTargetException | NoSuchMethodException e) {
            throw new AssertionError(e);
        } catch (Exception e) {
            throw new IOException(e);
        }
        response.getWriter().print(said);
    }
}
