import com.clickhouse.client.api.Client;
import com.clickhouse.client.api.ServerException;
import com.clickhouse.client.api.insert.InsertResponse;
import com.clickhouse.client.api.query.GenericRecord;
import com.clickhouse.data.ClickHouseFormat;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Creates a table, inserts objects and text, reads them back, and reads an error's code. */
public class JavaClient {
    public static class Row {
        private final long id;
        private final String name;

        public Row(long id, String name) {
            this.id = id;
            this.name = name;
        }

        public long getId() {
            return id;
        }

        public String getName() {
            return name;
        }
    }

    public static void main(String[] args) throws Exception {
        try (Client client = new Client.Builder()
                .addEndpoint(args[0])
                .setUsername(args[1])
                .setPassword(args[2])
                .compressServerResponse(true)
                .compressClientRequest(true)
                .setDefaultDatabase("default")
                .build()) {
            if (!client.ping()) {
                throw new IllegalStateException("no ping");
            }
            client.execute("CREATE OR REPLACE TABLE java_rows (id Int64, name String) ENGINE = MergeTree ORDER BY id")
                    .get(20, TimeUnit.SECONDS);
            client.register(Row.class, client.getTableSchema("java_rows"));
            List<Row> rows = new ArrayList<>();
            for (int id = 0; id < 500; id++) {
                rows.add(new Row(id, "objéct " + id));
            }
            long written;
            try (InsertResponse response = client.insert("java_rows", rows).get(20, TimeUnit.SECONDS)) {
                written = response.getWrittenRows();
            }
            StringBuilder text = new StringBuilder();
            for (int id = 500; id < 1000; id++) {
                text.append(id).append(",text ").append(id).append('\n');
            }
            byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
            try (InsertResponse response = client
                    .insert("java_rows", new ByteArrayInputStream(bytes), ClickHouseFormat.CSV)
                    .get(20, TimeUnit.SECONDS)) {
                written += response.getWrittenRows();
            }
            System.out.println("written " + written);
            long sum = 0;
            int count = 0;
            for (GenericRecord row : client.queryAll("SELECT id, name FROM java_rows ORDER BY id")) {
                sum += row.getLong("id");
                count++;
            }
            System.out.println("sum " + sum + " rows " + count);
            try {
                client.queryAll("SELECT * FROM nosuch");
            } catch (Exception error) {
                Throwable cause = error;
                while (cause != null && !(cause instanceof ServerException)) {
                    cause = cause.getCause();
                }
                System.out.println("error " + (cause == null ? error : ((ServerException) cause).getCode()));
            }
        }
    }
}
