// What lies between a browser and the API: it can be shut, as when the server is gone.

import { connect, createServer, type Server, type Socket } from "node:net";

export class Gate {
  private readonly open = new Set<Socket>();
  private server: Server | null = null;
  private port = 0;

  private constructor(private readonly to: URL) {}

  static async before(url: string): Promise<Gate> {
    const gate = new Gate(new URL(url));
    await gate.mend();
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Whoever is connected is cut off, and nobody comes through. */
  async shut(): Promise<void> {
    const server = this.server;
    this.server = null;
    const closed = new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
    for (const socket of this.open) socket.destroy();
    await closed;
  }

  async mend(): Promise<void> {
    const server = createServer((from) => this.join(from));
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.port = address.port;
    this.server = server;
  }

  private join(from: Socket): void {
    const to = connect(Number(this.to.port), this.to.hostname);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
