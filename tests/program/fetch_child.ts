// A program that fetches files and is killed meanwhile: `fetch_child.ts URL FOLDER FILES`, FILES as JSON.

import process from "node:process";
import { fetchFashionMnist } from "../../data/mod.ts";

const [url, cache, files] = process.argv.slice(2);
await fetchFashionMnist({ url, cache, files: JSON.parse(files!) });
