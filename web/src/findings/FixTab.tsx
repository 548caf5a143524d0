import type { FindingDetail } from "~/api/types";
import { frameworkName } from "~/lib/format";
import { Code } from "~/ui/Copy";
import { Markdown } from "~/ui/Markdown";

/** How to undo it: in words, in the console, by command, in Terraform. */
export function FixTab({ finding: f }: { finding: FindingDetail }) {
  const { text, console: steps, cli, terraform, override } = f.remediation;
  return (
    <div className="space-y-4">
      {override ? (
        <Part title="Your organisation's instructions">
          <Markdown source={override} />
        </Part>
      ) : null}
      {text ? (
        <Part title="What to do">
          <Markdown source={text} />
        </Part>
      ) : null}
      {cli ? (
        <Part title="Command line">
          <Code text={cli} label="Commands" />
        </Part>
      ) : null}
      {steps.length > 0 ? (
        <Part title="AWS console">
          <ol className="list-decimal space-y-1 pl-5">
            {steps.map((step) => (
              <li key={step}>{step}</li>
            ))}
          </ol>
        </Part>
      ) : null}
      {terraform ? (
        <Part title="Terraform">
          <Code text={terraform} label="Terraform" />
        </Part>
      ) : null}
      {f.policy_detail.risk ? (
        <Part title="Why it matters">
          <Markdown source={f.policy_detail.risk} />
        </Part>
      ) : null}
      <Frameworks of={f.policy_detail.frameworks} />
    </div>
  );
}

export function Part({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section>
      <h3 className="mb-1 font-[650]">{title}</h3>
      {children}
    </section>
  );
}

export function Frameworks({ of }: { of: Record<string, string[]> }) {
  const list = Object.entries(of);
  if (list.length === 0) return null;
  return (
    <ul className="text-ink-3 text-small">
      {list.map(([name, controls]) => (
        <li key={name}>
          {frameworkName(name)}: {controls.join(", ")}
        </li>
      ))}
    </ul>
  );
}
