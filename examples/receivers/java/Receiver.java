// Receives ApsaraVideo VOD callbacks and lets only genuine ones through. See ../README.md for the variables.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;

public final class Receiver {
    private static final int MAX_BODY_BYTES = 1 << 20;
    private static final Pattern SECONDS = Pattern.compile("[0-9]{1,15}");

    private final String callbackUrl = variable("CALLBACK_URL", null);
    private final String[] authKeyFiles = variable("AUTH_KEY_FILES", null).split(",");
    private final long maxAgeSeconds = Long.parseLong(variable("MAX_AGE_SECONDS", "300"));

    /** Why a callback is not genuine, or null. */
    private String refusal(String timestamp, String signature) throws IOException, GeneralSecurityException {
        if (timestamp == null || signature == null) {
            return "no X-VOD-TIMESTAMP or X-VOD-SIGNATURE";
        }
        if (!SECONDS.matcher(timestamp).matches()
                || Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp)) > maxAgeSeconds) {
            return "the time is not within " + maxAgeSeconds + " s of the clock";
        }
        boolean genuine = false;
        for (String file : authKeyFiles) {
            // Read each time: a mounted Secret changes under a running process.
            String key = Files.readString(Path.of(file)).replaceAll("[\\r\\n]+$", "");
            byte[] sum = MessageDigest.getInstance("MD5")
                    .digest((callbackUrl + "|" + timestamp + "|" + key).getBytes(StandardCharsets.UTF_8));
            byte[] wanted = HexFormat.of().formatHex(sum).getBytes(StandardCharsets.UTF_8);
            genuine |= MessageDigest.isEqual(wanted, signature.getBytes(StandardCharsets.UTF_8));
        }
        return genuine ? null : "the signature is wrong";
    }

    private int receive(HttpExchange exchange) throws IOException, GeneralSecurityException {
        if (!exchange.getRequestMethod().equals("POST")) {
            return 405;
        }
        var headers = exchange.getRequestHeaders();
        String why = refusal(headers.getFirst("X-VOD-TIMESTAMP"), headers.getFirst("X-VOD-SIGNATURE"));
        if (why != null) {
            System.out.println("refused: " + why);
            return 403;
        }
        byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES + 1);
        if (body.length > MAX_BODY_BYTES) {
            return 413;
        }
        String event = new String(body, StandardCharsets.UTF_8).strip();
        if (!event.startsWith("{") || !event.endsWith("}")) {
            return 400;
        }
        // Answer within 5 seconds: put the event on a queue here, and do the work elsewhere. It may come again.
        System.out.println("event: " + field(event, "EventType") + " " + field(event, "VideoId"));
        return 200;
    }

    /** Enough for a line of the log; take your JSON library for more. */
    private static String field(String json, String name) {
        var match = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"\\\\]*)\"").matcher(json);
        return match.find() ? match.group(1) : "";
    }

    private void handle(HttpExchange exchange) {
        int code;
        try {
            code = receive(exchange);
        } catch (Exception error) {
            System.out.println("failed: " + error);
            code = 500;
        }
        try (exchange) {
            exchange.getResponseHeaders().set("Connection", "close");
            exchange.sendResponseHeaders(code, -1);
        } catch (IOException gone) {
            // It will be sent again.
        }
    }

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        if (value != null && !value.isEmpty()) {
            return value;
        }
        if (otherwise == null) {
            System.err.println(name + " is not set");
            System.exit(2);
        }
        return otherwise;
    }

    public static void main(String[] arguments) throws IOException {
        var receiver = new Receiver();
        var server = HttpServer.create(new InetSocketAddress(Integer.parseInt(variable("PORT", "8080"))), 0);
        server.createContext("/", receiver::handle);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
        System.out.println("listening on port " + server.getAddress().getPort());
    }
}
