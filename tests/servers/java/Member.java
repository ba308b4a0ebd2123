import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/**
 * mongo-java-server with its oplog, as the only member of the replica set rs0, for drivers that ask
 * for more than the library says of itself. Usage: Member PORT
 */
public final class Member extends MemoryBackend {
  private static final int BATCH_COUNT = 1000;
  private final String address;

  private Member(String address) {
    this.address = address;
    version(new Version50());
  }

  private static final class Version50 implements MongoVersion {
    @Override
    public List<Integer> getVersionArray() {
      return Arrays.asList(5, 0, 0);
    }

    @Override
    public int getWireVersion() {
      return 13;
    }
  }

  @Override
  public Document handleCommand(Channel channel, String database, String name, Document query) {
    Document answer = answer(channel, database, name, query);
    return answer != null ? answer : super.handleCommand(channel, database, name, query);
  }

  @Override
  public Document handleMessage(MongoMessage message) {
    Document query = message.getDocument();
    String name = query.keySet().iterator().next();
    Document answer = answer(message.getChannel(), message.getDatabaseName(), name, query);
    if (answer != null) {
      return answer;
    }
    // The library would send a whole collection as one batch.
    boolean isUnbounded = !query.containsKey("batchSize") && !query.containsKey("limit");
    if (isUnbounded && (name.equals("find") || name.equals("getMore"))) {
      query.put("batchSize", BATCH_COUNT);
    }
    return super.handleMessage(message);
  }

  /** Commands that the library lacks, or answers too briefly. null: let it answer. */
  private Document answer(Channel channel, String database, String name, Document query) {
    switch (name) {
      case "hello", "isMaster", "ismaster":
        return hello(channel, database);
      case "endSessions", "refreshSessions":
        return ok(new Document());
      case "startSession":
        return ok(new Document("id", new Document("id", UUID.randomUUID()))
            .append("timeoutMinutes", 30));
      case "replSetGetStatus":
        return ok(status());
      case "getParameter":
        if (!query.containsKey("featureCompatibilityVersion")) {
          return null;
        }
        return ok(new Document("featureCompatibilityVersion", new Document("version", "5.0")));
      default:
        return null;
    }
  }

  private Document hello(Channel channel, String database) {
    Document query = new Document("ismaster", 1).append("$db", database);
    Document told = super.handleCommand(channel, database, "ismaster", query);
    told.put("isWritablePrimary", true);
    told.put("helloOk", true);
    told.put("setName", "rs0");
    told.put("setVersion", 1);
    told.put("secondary", false);
    told.put("hosts", List.of(address));
    told.put("primary", address);
    told.put("me", address);
    told.put("logicalSessionTimeoutMinutes", 30);
    return told;
  }

  private Document status() {
    Document self = new Document("_id", 0).append("name", address).append("state", 1)
        .append("stateStr", "PRIMARY").append("self", true);
    return new Document("set", "rs0").append("myState", 1).append("members", List.of(self));
  }

  private static Document ok(Document document) {
    return document.append("ok", 1.0);
  }

  public static void main(String[] arguments) throws InterruptedException {
    int port = Integer.parseInt(arguments[0]);
    MongoServer server = new MongoServer(new Member("127.0.0.1:" + port));
    server.enableOplog();
    server.bind("127.0.0.1", port);
    System.out.println("ready 127.0.0.1:" + port);
    Thread.currentThread().join();
  }
}
